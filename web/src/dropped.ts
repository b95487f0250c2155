// The scans in what was dropped or chosen: files as they are, folders gone through, a DICOM series packed into one file.

const SCAN = /\.(nii(\.gz)?|mg[hz]|zip)$/i;

/** All scans of a drop. Of single files every one: the gateway judges. */
export async function scansOf(transfer: DataTransfer): Promise<File[]> {
  // entries have to be taken before the first await: the list is emptied after the event
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (!entries.length) return [...transfer.files];
  const scans: File[] = [];
  for (const entry of entries) {
    const inside = await walk(entry);
    scans.push(...(entry.isDirectory ? await scansInFolder(entry.name, inside) : inside));
  }
  return scans;
}

/** Of a folder the files that are scans by their name; where there are none, all of it as one DICOM series. */
export async function scansInFolder(name: string, files: File[]): Promise<File[]> {
  const scans = files.filter((file) => SCAN.test(file.name));
  return scans.length || !files.length ? scans : [await packed(name, files)];
}

/** A zip of files under numbers: what they are called may name a person. */
async function packed(name: string, files: readonly File[]): Promise<File> {
  const { zipSync } = await import("./zip");
  const named: Record<string, Uint8Array> = {};
  for (const [n, file] of files.entries()) named[`${n}`] = new Uint8Array(await file.arrayBuffer());
  return new File([zipSync(named, { level: 1 }) as Uint8Array<ArrayBuffer>], `${name}.zip`);
}

async function walk(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    return [await new Promise<File>((take, fail) => (entry as FileSystemFileEntry).file(take, fail))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  for (;;) {
    // a reader gives a hundred entries at a time
    const some = await new Promise<FileSystemEntry[]>((take, fail) => reader.readEntries(take, fail));
    if (!some.length) return files;
    for (const inner of some) files.push(...(await walk(inner)));
  }
}
