"""Asks through a NAT what it does, with nothing of Warren: `witness` answers on the outside, `ask` asks from the inside.
   witness OTHER-WITNESS     answers on ports 7001 and 7002, and sends from port 7003
   ask WITNESS OTHER SECONDS prints JSON: sources seen by each, what came back from where"""
import json, select, socket, sys

def bound(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", port))
    return s

def witness(other):
    first, second, third = bound(7001), bound(7002), bound(7003)
    asker = None
    print("ready", flush=True)
    while True:
        for s in select.select([first, second, third], [], [])[0]:
            data, source = s.recvfrom(200)
            words = data.decode().split()
            if words[0] == "who":
                s.sendto(("seen %s %d" % source).encode(), source)
            elif words[0] == "elsewhere":  # answered from a port that was not asked
                third.sendto(b"elsewhere", source)
            elif words[0] == "unasked":  # the other one sends, whom nobody behind the NAT ever asked
                asker = source
                second.sendto(("poke %s %d" % source).encode(), (other, 7002))
            elif words[0] == "poke":
                third.sendto(b"unasked", (words[1], int(words[2])))
                s.sendto(b"poked", source)
            elif words[0] == "poked":
                first.sendto(b"done", asker)

def ask(target, other, seconds):
    s = bound(51820)
    s.settimeout(float(seconds))
    found = {"seen": [], "came": []}
    def until(word):
        while True:
            words = s.recvfrom(200)[0].decode().split()
            if words[0] == word:
                return words[1:]
            found["came"].append(words[0])
    # The last one's answer comes after what was asked for before it, so nothing has to be waited for.
    for message, port in (("elsewhere", 7001), ("unasked", 7001)):
        s.sendto(message.encode(), (target, port))
    until("done")
    for host, port in ((target, 7001), (target, 7002), (other, 7001)):
        s.sendto(b"who", (host, port))
        found["seen"].append(":".join(until("seen")))
    print(json.dumps(found))

{"witness": witness, "ask": ask}[sys.argv[1]](*sys.argv[2:])
