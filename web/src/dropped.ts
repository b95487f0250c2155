// The files in what was dropped: folders are gone through.

export const isScan = (name: string): boolean => /\.nii(\.gz)?$/i.test(name);

/** All files of a drop. Of a folder those that are scans by their name, of single files every one: the gateway judges. */
export async function filesOf(transfer: DataTransfer): Promise<File[]> {
  // entries have to be taken before the first await: the list is emptied after the event
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (!entries.length) return [...transfer.files];
  const files: File[] = [];
  for (const entry of entries) {
    const inside = await walk(entry);
    files.push(...(entry.isDirectory ? inside.filter((file) => isScan(file.name)) : inside));
  }
  return files;
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
