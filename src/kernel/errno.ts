import { constants } from 'node:os';

/** Errnos without a name in Node.js (Linux, include/uapi/asm-generic/errno.h; 512 and above: include/linux/errno.h). */
const others: Record<number, string> = {
  15: 'ENOTBLK',
  54: 'EXFULL',
  55: 'ENOANO',
  56: 'EBADRQC',
  65: 'ENOPKG',
  66: 'EREMOTE',
  76: 'ENOTUNIQ',
  77: 'EBADFD',
  78: 'EREMCHG',
  85: 'ERESTART',
  87: 'EUSERS',
  94: 'ESOCKTNOSUPPORT',
  96: 'EPFNOSUPPORT',
  108: 'ESHUTDOWN',
  109: 'ETOOMANYREFS',
  112: 'EHOSTDOWN',
  117: 'EUCLEAN',
  121: 'EREMOTEIO',
  123: 'ENOMEDIUM',
  132: 'ERFKILL',
  133: 'EHWPOISON',
  // Internal errnos that some subsystems return to user space.
  517: 'EPROBE_DEFER',
  522: 'ENOTSYNC',
  524: 'ENOTSUPP',
};

const names = new Map<number, string>(Object.entries(others).map(([errno, name]) => [Number(errno), name]));
for (const [name, errno] of Object.entries(constants.errno)) {
  if (!names.has(errno)) names.set(errno, name);
}

/** Returns the name of an errno: `EEXIST` for 17; `ERRNO_999` if it has none. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `ERRNO_${errno}`;
}
