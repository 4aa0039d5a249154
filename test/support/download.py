"""A download that takes its time and is checked to the last byte.
   serve CHUNKS PAUSE     sends CHUNKS times 32 KiB, PAUSE seconds apart, to everyone who connects to port 8000
   fetch ADDRESS CHUNKS   prints a line when it began, then JSON: bytes, whether all were right, the longest silence in seconds"""
import hashlib, json, socket, sys, threading, time

SIZE = 32768

def chunk(number):
    return hashlib.sha256(str(number).encode()).digest() * (SIZE // 32)

def serve(chunks, pause):
    listener = socket.create_server(("", 8000), reuse_port=True)
    print("ready", flush=True)
    def send(s):
        try:
            for number in range(int(chunks)):
                s.sendall(chunk(number))
                time.sleep(float(pause))
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    while True:
        s, _ = listener.accept()
        threading.Thread(target=send, args=(s,), daemon=True).start()

def fetch(address, chunks):
    s = socket.create_connection((address, 8000), 20)
    s.settimeout(60)
    have, wanted, silence, last = hashlib.sha256(), hashlib.sha256(), 0.0, time.monotonic()
    for number in range(int(chunks)):
        wanted.update(chunk(number))
    size = 0
    while True:
        data = s.recv(65536)
        now = time.monotonic()
        silence, last = max(silence, now - last), now
        if not data:
            break
        if size == 0:
            print("began", flush=True)
        size += len(data)
        have.update(data)
    print(json.dumps({"bytes": size, "isWhole": have.digest() == wanted.digest(), "silence": round(silence, 2)}))

{"serve": serve, "fetch": fetch}[sys.argv[1]](*sys.argv[2:])
