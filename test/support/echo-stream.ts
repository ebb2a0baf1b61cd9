import type { TestNamespace } from './namespaces.js';
import { Program } from './program.js';
import { PYTHON } from './scapy.js';

/** Sends an ICMP echo request each interval, until its input ends. Prints the counts then. */
const PROGRAM = `
import json, os, select, socket, struct, sys, time
address, interval, ident = sys.argv[1], float(sys.argv[2]), os.getpid() & 0xffff
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
sock.setblocking(False)
sent, answers = [], {}
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
def packet(number):
    body = struct.pack('!HHI', ident, number & 0xffff, number)
    return struct.pack('!BBH', 8, 0, checksum(b'\\x08\\x00' + body)) + body
def receive():
    while True:
        try: data = sock.recv(2048)
        except BlockingIOError: return
        head = (data[0] & 15) * 4
        if data[head] == 0 and struct.unpack('!H', data[head + 4:head + 6])[0] == ident:
            number = struct.unpack('!I', data[head + 8:head + 12])[0]
            answers[number] = answers.get(number, 0) + 1
            if len(answers) == 1 and answers[number] == 1: print('begun', flush=True)
end = None
while end is None or time.monotonic() < end:
    due = time.monotonic() + interval
    if end is None or time.monotonic() < end - 0.3:
        try: sock.sendto(packet(len(sent)), (address, 0))
        except OSError: pass
        sent.append(time.monotonic())
    left = max(0, due - time.monotonic())
    ready, _, _ = select.select([sock] + ([sys.stdin] if end is None else []), [], [], left)
    if sys.stdin in ready: end = time.monotonic() + 0.6
    receive()
    left = due - time.monotonic()
    if left > 0: time.sleep(left)
    receive()
first = min(answers)
gap, last = 0, sent[first]
for number, moment in enumerate(sent):
    if number not in answers: continue
    gap, last = max(gap, moment - last), moment
print(json.dumps({
    'sent': len(sent) - first, 'lost': len(sent) - first - len(answers),
    'duplicates': sum(answers.values()) - len(answers), 'gap': round(gap * 1000, 1),
    'endsAnswered': max(answers) > len(sent) - 50,
}), flush=True)
`;

/** Result of a stream, from its first answer on. */
export interface Echoes {
  sent: number;
  lost: number;
  duplicates: number;
  /** Longest time between two requests that were answered, in milliseconds. */
  gap: number;
  /** The last requests were answered. */
  endsAnswered: boolean;
}

/** ICMP echo requests at a short interval. */
export class EchoStream {
  private constructor(private readonly program: Program) {}

  /** Resolves when the first request is answered. @param interval in milliseconds */
  static async start(from: TestNamespace, address: string, interval = 1): Promise<EchoStream> {
    const program = new Program(from, PYTHON, '-u', '-c', PROGRAM, address, String(interval / 1000));
    await program.next('begun');
    return new EchoStream(program);
  }

  async stop(): Promise<Echoes> {
    this.program.say('');
    const result = JSON.parse(await this.program.next()) as Echoes;
    await this.program.end();
    return result;
  }
}
