/** Sealed backups on disk: written whole or not at all, read back before they get their name, never held in memory. */
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WarrenError } from '../../shared/errors.ts';
import type { BackupKey, Recipient } from './keys.ts';
import {
  type ChunkCipher,
  type SealedHeader,
  chunkBytes,
  createChunkCipher,
  headerLength,
  magic,
  makeHeader,
  openHeader,
  tagBytes,
} from './seal.ts';

/** True when the file begins like a sealed backup. */
export async function isSealed(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    return headerLength(await readAt(handle, 0, magic.length + 1)) !== undefined;
  } finally {
    await handle.close();
  }
}

/** Seals `source` as `target` (0600); it has its name only when what was written opens again to the same bytes. */
export async function sealFile(
  source: string,
  target: string,
  recipients: readonly Recipient[],
  signal?: AbortSignal,
): Promise<void> {
  const header = makeHeader(recipients);
  await writeWhole(target, async (draft) => {
    await draft.writeFile(header.bytes);
    const written = await pass(
      source,
      0,
      chunkBytes,
      createChunkCipher(header),
      'seal',
      (piece) => draft.writeFile(piece),
      signal,
    );
    await draft.sync();
    const read = createHash('sha256');
    const check = async (piece: Buffer): Promise<void> => void read.update(piece);
    const { length } = header.bytes;
    await pass(`${target}.partial`, length, chunkBytes + tagBytes, createChunkCipher(header), 'open', check, signal);
    if (read.digest('hex') !== written)
      throw new WarrenError('store-corrupt', `${target} does not read back as written`);
  });
}

/** Opens a sealed backup as `target` (0600). Throws `store-corrupt`, `forbidden`; then there is no target. */
export async function openSealedFile(source: string, target: string, key: BackupKey): Promise<void> {
  const header = await readHeader(source, key);
  const { length } = header.bytes;
  await writeWhole(target, async (draft) => {
    const chunks = createChunkCipher(header);
    await pass(source, length, chunkBytes + tagBytes, chunks, 'open', (piece) => draft.writeFile(piece));
    await draft.sync();
  });
}

async function readHeader(source: string, key: BackupKey): Promise<SealedHeader> {
  const handle = await open(source, 'r');
  try {
    const length = headerLength(await readAt(handle, 0, magic.length + 1));
    if (length === undefined) throw new WarrenError('store-corrupt', `${source} is no sealed backup`);
    return openHeader(await readAt(handle, 0, length), key);
  } finally {
    await handle.close();
  }
}

/** Sends a file through the cipher in pieces; answers the SHA-256 of what it read. */
async function pass(
  source: string,
  from: number,
  pieceBytes: number,
  chunks: ChunkCipher,
  way: 'seal' | 'open',
  take: (piece: Buffer) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(source, 'r');
  try {
    const { size } = await handle.stat();
    for (let at = from; ; at += pieceBytes) {
      signal?.throwIfAborted();
      const piece = await readAt(handle, at, pieceBytes);
      hash.update(piece);
      const isLast = at + pieceBytes >= size;
      await take(chunks[way](piece, isLast));
      if (isLast) return hash.digest('hex');
    }
  } finally {
    await handle.close();
  }
}

/** As many bytes as there are, at most `length`. */
async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function writeWhole(target: string, write: (draft: FileHandle) => Promise<void>): Promise<void> {
  const path = `${target}.partial`;
  await rm(path, { force: true });
  const draft = await open(path, 'wx', 0o600);
  try {
    await write(draft);
    await draft.close();
    await rename(path, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await draft.close();
    await rm(path, { force: true });
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
