/** The records of a ZIP that is written in one pass (PKWARE's APPNOTE.TXT 6.3.10, section 4.3). */

/** What the table of contents says of an entry. */
export interface ZipEntry {
  readonly name: string;
  readonly method: ZipMethod;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** APPNOTE 4.4.5. */
export const zipMethods = { stored: 0, deflated: 8 } as const;
export type ZipMethod = (typeof zipMethods)[keyof typeof zipMethods];

/** ZIP64, for no size is known before the data has passed. */
const versionNeeded = 45;
const madeByUnix = (3 << 8) | versionNeeded;
/** Bit 3: sizes and CRC come after the data. Bit 11: names are UTF-8. */
const flags = (1 << 3) | (1 << 11);
/** A regular file, readable by all, writable by its owner. */
const attributes = (0o100644 << 16) >>> 0;
const zip64Extra = 0x0001;
const unknown16 = 0xffff;
const unknown32 = 0xffff_ffff;

/** Goes before an entry's data. The extra field says that sizes after the data have 8 bytes. */
export function localHeader(name: string, method: ZipMethod, time: Date): Buffer {
  const bytes = Buffer.from(name);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x0403_4b50, 0);
  header.writeUInt16LE(versionNeeded, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(dosTime(time), 10);
  const extra = Buffer.alloc(20);
  extra.writeUInt16LE(zip64Extra, 0);
  extra.writeUInt16LE(16, 2);
  header.writeUInt16LE(bytes.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, bytes, extra]);
}

/** Goes after an entry's data. */
export function dataDescriptor(entry: Pick<ZipEntry, "crc32" | "compressedBytes" | "bytes">): Buffer {
  const descriptor = Buffer.alloc(24);
  descriptor.writeUInt32LE(0x0807_4b50, 0);
  descriptor.writeUInt32LE(entry.crc32, 4);
  descriptor.writeBigUInt64LE(BigInt(entry.compressedBytes), 8);
  descriptor.writeBigUInt64LE(BigInt(entry.bytes), 16);
  return descriptor;
}

/** An entry's line in the table of contents, which ends the file. */
export function centralRecord(entry: ZipEntry, time: Date): Buffer {
  const name = Buffer.from(entry.name);
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(zip64Extra, 0);
  extra.writeUInt16LE(24, 2);
  extra.writeBigUInt64LE(BigInt(entry.bytes), 4);
  extra.writeBigUInt64LE(BigInt(entry.compressedBytes), 12);
  extra.writeBigUInt64LE(BigInt(entry.offset), 20);
  const record = Buffer.alloc(46);
  record.writeUInt32LE(0x0201_4b50, 0);
  record.writeUInt16LE(madeByUnix, 4);
  record.writeUInt16LE(versionNeeded, 6);
  record.writeUInt16LE(flags, 8);
  record.writeUInt16LE(entry.method, 10);
  record.writeUInt32LE(dosTime(time), 12);
  record.writeUInt32LE(entry.crc32, 16);
  record.writeUInt32LE(unknown32, 20);
  record.writeUInt32LE(unknown32, 24);
  record.writeUInt16LE(name.length, 28);
  record.writeUInt16LE(extra.length, 30);
  record.writeUInt32LE(attributes, 38);
  record.writeUInt32LE(unknown32, 42);
  return Buffer.concat([record, name, extra]);
}

/** The end of the file: how many entries there are, and where the table of contents is. */
export function endRecords(directory: {
  readonly entries: number;
  readonly bytes: number;
  readonly offset: number;
}): Buffer {
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x0606_4b50, 0);
  end64.writeBigUInt64LE(BigInt(end64.length - 12), 4);
  end64.writeUInt16LE(madeByUnix, 12);
  end64.writeUInt16LE(versionNeeded, 14);
  end64.writeBigUInt64LE(BigInt(directory.entries), 24);
  end64.writeBigUInt64LE(BigInt(directory.entries), 32);
  end64.writeBigUInt64LE(BigInt(directory.bytes), 40);
  end64.writeBigUInt64LE(BigInt(directory.offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x0706_4b50, 0);
  locator.writeBigUInt64LE(BigInt(directory.offset + directory.bytes), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt16LE(unknown16, 8);
  end.writeUInt16LE(unknown16, 10);
  end.writeUInt32LE(unknown32, 12);
  end.writeUInt32LE(unknown32, 16);
  return Buffer.concat([end64, locator, end]);
}

/** Date above time, in two seconds' steps from 1980 on; UTC here, for a ZIP knows no zone. */
function dosTime(time: Date): number {
  const date = ((time.getUTCFullYear() - 1980) << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate();
  const clock = (time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1);
  return ((date << 16) | clock) >>> 0;
}
