import { z } from 'zod';
import { withoutUser } from '../../util/hidden.js';
import { secret } from '../../util/secret.js';
import * as valid from '../../util/validate.js';
import type { EtcdOptions } from './client.js';

const path = valid.path('the path of a file');
const pemPath = path.refine((text) => !/-----BEGIN|[\n\0]/.test(text), {
  error: 'the path of a file in PEM form, not its content',
});
const text = valid.path('a text');

const URL_EXPECTED = 'a URL such as http://10.0.0.5:2379';
const WITHOUT_USER = `${URL_EXPECTED} without user and password, which belong in store.username and store.password`;

const url = secret(
  z
    .string({ error: URL_EXPECTED })
    .refine((value) => !value.includes('@'), { error: WITHOUT_USER, abort: true })
    .refine(isServer, { error: URL_EXPECTED }),
  withoutUser,
);

function isServer(value: string): boolean {
  if (!/^https?:\/\/[^/?#\s]+$/.test(value) || !URL.canParse(value)) return false;
  return new URL(value).hostname !== '';
}

const file = (optional: z.ZodType<string>) => secret(optional).optional();

/** Most servers in the list. */
const MOST_MEMBERS = 64;

/** Schema of `EtcdOptions`: address and credentials, complete and without contradiction. */
export const etcdSchema = z
  .strictObject({
    etcd: valid
      .list(url, MOST_MEMBERS, 'a list of URLs')
      .refine((urls) => urls.length > 0, { error: 'a list of URLs' }),
    prefix: text.optional(),
    tls: z.strictObject({ ca: file(pemPath), cert: file(pemPath), key: file(pemPath) }).optional(),
    username: secret(text).optional(),
    password: secret(text).optional(),
    timeout: valid.integer(1000, 600_000, 'a number of milliseconds').optional(),
  })
  .superRefine(({ etcd, tls, username, password }, context) => {
    const lack = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message, input: undefined });
    if (username !== undefined && password === undefined) lack(['password'], 'a password, because there is a username');
    if (password !== undefined && username === undefined) lack(['username'], 'a username, because there is a password');
    if (tls?.cert !== undefined && tls.key === undefined) lack(['tls', 'key'], 'the key of the certificate tls.cert');
    if (tls?.key !== undefined && tls.cert === undefined) lack(['tls', 'cert'], 'the certificate of the key tls.key');
    if (tls !== undefined && Object.values(tls).every((value) => value === undefined)) {
      lack(['tls'], 'at least one of ca, and cert with key');
    }
    const isSecure = etcd.map((server) => server.startsWith('https:'));
    const plain = isSecure.indexOf(false);
    if (plain >= 0 && (tls !== undefined || isSecure.includes(true))) {
      const message = `a URL that begins with https://, because ${tls === undefined ? 'other URLs do' : 'store.tls is set'}`;
      context.addIssue({ code: 'custom', path: ['etcd', plain], message, input: etcd[plain] });
    }
  });

/** Parses `EtcdOptions`. @throws ValidationError that contains no secret */
export const parseEtcdOptions = (options: unknown): EtcdOptions => valid.parse(etcdSchema, options, 'store');
