// Which requirement of which framework is answered by which figure of the report or which test, and what is not. Words are
// ours and short: the framework's own text decides. A test checks that every file and figure named here exists.

import type { FigureName } from './figure.ts'

export interface Control {
  readonly framework: string
  readonly control: string
  /** What it asks, in a line. */
  readonly asks: string
  /** How Halligan answers. */
  readonly answer: string
  readonly figures: readonly FigureName[]
  /** Paths in this repository. */
  readonly tests: readonly string[]
  /** What somebody else has to do, or nobody can. */
  readonly notCovered: string
}

export const controls: readonly Control[] = [
  {
    framework: 'NIST SP 800-53 r5',
    control: 'AC-2(2)',
    asks: 'temporary and emergency accounts are removed or disabled automatically, after a time that is set',
    answer:
      'a grant has one absolute end, kept by a deadline in memory and by the row; at the end every connection under it closes, and every secret made under it is dead',
    figures: ['uses', 'duration-p50', 'duration-p95', 'duration-total', 'extensions'],
    tests: [
      'test/e2e/expiry.test.ts',
      'test/session/registry.test.ts',
      'test/procedure/extend.test.ts',
      'test/procedure/lock.test.ts',
      'test/procedure/revocation.test.ts',
      'test/procedure/model.test.ts',
    ],
    notCovered:
      'standing accounts on the targets that are reached past Halligan; programs left running on a target, which the recording shows and the review asks for',
  },
  {
    framework: 'NIST SP 800-53 r5',
    control: 'AU-9',
    asks: 'audit information and tools are protected from being read, changed or deleted without right',
    answer:
      'the ledger is a Merkle tree and recordings are sealed under its root: a change, a gap or a cut is found by a verifier that holds one checkpoint from outside; secrets at rest are sealed, recordings are served to reviewers and their owner alone, and each view is a leaf',
    figures: [],
    tests: [
      'test/e2e/tamper.test.ts',
      'test/store/ledger-damage.test.ts',
      'test/store/at-rest.test.ts',
      'test/recording/verify-all.test.ts',
      'test/http/access.test.ts',
    ],
    notCovered:
      'whoever controls the machine can delete files, and can falsify what has not been written yet; what was cut after the last checkpoint outside looks like a crash; recordings are not encrypted at rest',
  },
  {
    framework: 'NIST SP 800-53 r5',
    control: 'AU-10',
    asks: 'there is proof that a person did what they now deny',
    answer:
      'a session names the key that opened it and the second factor that was given; requests, decisions and verdicts are leaves that cannot be reordered unnoticed; a verdict is bound to the roots of the recordings it was passed on',
    figures: ['approved', 'overrides', 'reviews-on-time', 'reviews-late'],
    tests: [
      'test/ssh/login.test.ts',
      'test/access/review.test.ts',
      'test/recording/rule-replay.test.ts',
      'test/ledger/tlog-proof.test.ts',
    ],
    notCovered:
      "approvals and verdicts are Halligan's statement that it saw a key and a code, not a signature by the person; whoever holds both of a person's factors is that person",
  },
  {
    framework: 'NIST SP 800-53 r5',
    control: 'AU-14',
    asks: 'sessions can be recorded, viewed and listened to by those who may',
    answer:
      'nothing reaches a target before its record is durable, and a session that cannot be recorded ends; reviewers watch live or replay, and must have opened the recording before they judge',
    figures: ['uses', 'reviews-on-time', 'reviews-late', 'reviews-overdue'],
    tests: [
      'test/e2e/crash.test.ts',
      'test/e2e/full-disk.test.ts',
      'test/e2e/failing-write.test.ts',
      'test/postgres/durability.test.ts',
      'test/http/recording.test.ts',
      'test/http/live.test.ts',
    ],
    notCovered:
      'what happens on the target outside the relayed connection; rows of answers, unless the policy keeps them',
  },
  {
    framework: 'PCI DSS v4.0.1',
    control: '10.2',
    asks: 'audit logs tell who did what, when, from where and with which result, administrators included',
    answer:
      'every refused login, request, decision, session, lock, view and change of configuration is a leaf with its time, person and address; sessions are recorded in full, whoever the person is',
    figures: ['requests', 'denied', 'uses', 'bypasses', 'unannounced'],
    tests: ['test/e2e/break-glass.test.ts', 'test/e2e/refusals.test.ts', 'test/procedure/access.test.ts'],
    notCovered: 'logs of the targets themselves, and of people who reach them another way',
  },
  {
    framework: 'PCI DSS v4.0.1',
    control: '10.3',
    asks: 'audit logs are protected from destruction and from changes without right',
    answer: 'as for AU-9; the report compares the rows it counts with the ledger and names what differs',
    figures: ['uses'],
    tests: ['test/e2e/tamper.test.ts', 'test/procedure/report.test.ts', 'test/recording/verify-file.test.ts'],
    notCovered: 'a backup on another machine, and keeping one checkpoint outside, are up to the operator',
  },
  {
    framework: 'PCI DSS v4.0.1',
    control: '10.4',
    asks: 'audit logs are reviewed, and what stands out is followed up',
    answer:
      'each use is reviewed by somebody who had no part in it, within the hours of its policy; an overdue review escalates and takes self-activation away until it is done',
    figures: ['reviews-on-time', 'reviews-late', 'reviews-waiting', 'reviews-overdue', 'misuse', 'mistakes'],
    tests: [
      'test/access/review.test.ts',
      'test/procedure/review.test.ts',
      'test/procedure/model.test.ts',
      'test/access/decide.test.ts',
    ],
    notCovered: 'how good a review is; daily review of logs of other systems',
  },
  {
    framework: 'PCI DSS v4.0.1',
    control: '10.5',
    asks: 'audit logs are kept for twelve months, three of them at hand',
    answer: 'nothing is deleted by Halligan on its own',
    figures: [],
    tests: ['test/archive/recording-archive.test.ts'],
    notCovered: 'the space for it, backups, and deleting what must not be kept longer',
  },
  {
    framework: 'PCI DSS v4.0.1',
    control: '10.7',
    asks: 'failures of critical security controls are noticed, told and answered promptly',
    answer: 'a recorder that fails ends its sessions and alerts at once; an alert that nobody accepted stays visible',
    figures: ['alerts-waiting', 'alerts-dead', 'alert-latency-p95', 'drills-failed', 'drills-missed'],
    tests: [
      'test/e2e/failing-write.test.ts',
      'test/notify/outbox.test.ts',
      'test/notify/dead-letter.test.ts',
      'test/postgres/durability.test.ts',
    ],
    notCovered: 'a machine that is gone tells nobody: watch it from outside',
  },
  {
    framework: 'SOC 2 (TSC 2017)',
    control: 'CC6.1',
    asks: 'access to protected information is restricted by logical means',
    answer:
      'nobody enters without a key, a second factor and a live grant; the policy names target, account, database, networks and hours',
    figures: ['requests', 'denied', 'uses', 'bypasses'],
    tests: ['test/access/decide.test.ts', 'test/session/admission.test.ts', 'test/e2e/bypass.test.ts'],
    notCovered: 'network access to the targets: they must accept Halligan alone',
  },
  {
    framework: 'SOC 2 (TSC 2017)',
    control: 'CC6.3',
    asks: 'access is authorised, changed and removed by role, with least privilege and separation of duties',
    answer:
      'nobody approves their own request or judges a grant they took part in, administrators included; a configuration under which nobody could approve or review is refused',
    figures: ['approved', 'self-activated', 'overrides', 'denied', 'lapsed'],
    tests: [
      'test/access/grant.test.ts',
      'test/access/approval.test.ts',
      'test/access/overlap.test.ts',
      'test/procedure/approve.test.ts',
      'test/procedure/model.test.ts',
    ],
    notCovered: 'who is put into which group: the configuration says, and its change is a leaf and an alert',
  },
  {
    framework: 'SOC 2 (TSC 2017)',
    control: 'CC7.2',
    asks: 'systems are watched for what is out of the ordinary',
    answer:
      'every use is told to the channels of its policy, and the receipt is kept; a use nobody was told of is marked',
    figures: ['alerts-sent', 'alert-latency-p50', 'alert-latency-p95', 'unannounced', 'overrides', 'bypasses'],
    tests: ['test/notify/outbox.test.ts', 'test/notify/webhook.test.ts', 'test/procedure/gate.test.ts'],
    notCovered: 'judging by itself whether a command is an attack: people do, from the recording',
  },
  {
    framework: 'HIPAA Security Rule',
    control: '45 CFR 164.312(a)(2)(ii)',
    asks: 'there is a procedure by which needed health information is reached in an emergency',
    answer:
      'policies written in advance, opened with one command and a code, also while the identity provider or every channel is down; rehearsed by drills on the live system',
    figures: ['time-to-access-p50', 'time-to-access-p95', 'overrides', 'drills-run', 'drills-failed', 'drills-missed'],
    tests: [
      'test/e2e/break-glass.test.ts',
      'test/scenario/scenario.test.ts',
      'test/drill/live.test.ts',
      'test/e2e/commands.test.ts',
      'test/procedure/access.test.ts',
    ],
    notCovered: 'what to do when the bastion itself is down; which records count as health information',
  },
]
