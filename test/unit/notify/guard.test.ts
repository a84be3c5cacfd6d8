import t from 'tap'
import { classOf, Guard, hostsNamed, parseAllowed } from '../../../server/notify/guard.ts'

t.test('every class of address that is not the public internet is named', async (t) => {
  const table: readonly (readonly [address: string, what: RegExp])[] = [
    ['0.0.0.0', /this machine/],
    ['0.1.2.3', /this machine/],
    ['10.0.0.1', /private/],
    ['100.64.0.1', /CGNAT/],
    ['100.100.100.200', /metadata/],
    ['127.0.0.1', /loopback/],
    ['127.255.255.254', /loopback/],
    ['168.63.129.16', /metadata/],
    ['169.254.1.1', /link-local/],
    ['169.254.169.254', /metadata/],
    ['172.16.0.1', /private/],
    ['172.31.255.255', /private/],
    ['192.0.0.8', /reserved/],
    ['192.0.2.1', /documentation/],
    ['192.168.1.1', /private/],
    ['198.18.0.1', /benchmarks/],
    ['198.51.100.1', /documentation/],
    ['203.0.113.1', /documentation/],
    ['224.0.0.1', /multicast/],
    ['239.1.2.3', /multicast/],
    ['240.0.0.1', /reserved/],
    ['255.255.255.255', /broadcast/],
    ['::', /unspecified/],
    ['::1', /loopback/],
    ['[::1]', /loopback/],
    ['::ffff:127.0.0.1', /IPv4 .*loopback/],
    ['::ffff:7f00:1', /IPv4 .*127\.0\.0\.1, loopback/],
    ['::ffff:8.8.8.8', /IPv4 address inside IPv6/],
    ['::127.0.0.1', /inside IPv6/],
    ['::ffff:0:10.0.0.1', /inside IPv6/],
    ['64:ff9b::a9fe:a9fe', /169\.254\.169\.254/],
    ['64:ff9b:1::1', /reserved/],
    ['100::1', /reserved/],
    ['2001::1', /tunnels/],
    ['2001:db8::1', /documentation/],
    ['2002:7f00:1::', /6to4/],
    ['3fff::1', /documentation/],
    ['5f00::1', /reserved/],
    ['fc00::1', /private/],
    ['fd12:3456::1', /private/],
    ['fd00:ec2::254', /metadata/],
    ['fe80::1', /link-local/],
    ['fe80::1%eth0', /link-local/],
    ['fec0::1', /site-local/],
    ['ff02::1', /multicast/],
    ['nonsense', /not an address/],
    ['2130706433', /not an address/],
  ]
  for (const [address, what] of table) t.match(classOf(address), what, address)
  for (const address of [
    '8.8.8.8',
    '172.32.0.1',
    '172.15.255.255',
    '100.128.0.1',
    '11.0.0.1',
    '2606:4700::1111',
    '2a00:1450:4001::200e',
  ])
    t.equal(classOf(address), undefined, address)
})

t.test('the list of what is allowed takes networks and ports, never names', async (t) => {
  for (const text of [
    '10.0.0.1',
    '10.0.0.0/8',
    '10.0.0.1:25',
    '10.0.0.0/8:25',
    '::1',
    'fd00::/8',
    '[fd00::1]:587',
    '[fd00::]/8:587',
    'fe80::1:25',
  ])
    t.ok(parseAllowed(text), text)
  for (const text of [
    '',
    'localhost',
    'mail.bank.example:25',
    '10.0.0.0/33',
    '10.0.0',
    'fd00::/129',
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '*',
    '10.0.0.1:x',
    '[10',
  ])
    t.equal(parseAllowed(text), undefined, text)
  const guard = (...list: string[]) =>
    new Guard(
      list.map((one) => parseAllowed(one)!),
      async () => ['10.1.2.3'],
    )
  t.same(await guard('10.1.0.0/16').addressesOf('relay', 25), ['10.1.2.3'])
  t.same(await guard('10.1.2.3:25').addressesOf('relay', 25), ['10.1.2.3'])
  await t.rejects(
    guard('10.1.2.3:587').addressesOf('relay', 25),
    /relay has the address 10\.1\.2\.3, which is private.*10\.1\.2\.3:25 to notifyAllow/,
  )
  await t.rejects(guard('10.2.0.0/16').addressesOf('relay', 25), /is private|inside IPv6/)
  t.same(await guard('::1').addressesOf('[::1]', 80), ['::1'])
  await t.rejects(guard('127.0.0.1').addressesOf('::ffff:127.0.0.1', 80), /is private|inside IPv6/)
})

t.test('a name is asked once; one bad address among its good ones refuses it', async (t) => {
  let asked = 0
  const rebinding = new Guard([], async () => (asked++ === 0 ? ['93.184.216.34'] : ['127.0.0.1']))
  t.same(await rebinding.addressesOf('rebind.example', 443), ['93.184.216.34'])
  t.equal(asked, 1)
  await t.rejects(rebinding.addressesOf('rebind.example', 443), /loopback/)
  const mixed = new Guard([], async () => ['93.184.216.34', 'fd00::1'])
  await t.rejects(mixed.addressesOf('mixed.example', 443), /\[fd00::1\]:443/)
  await t.rejects(new Guard([], async () => []).addressesOf('empty.example', 443), /no address/)
  const never = new Guard([], async () => t.fail('an address is not looked up') as never)
  await t.rejects(never.addressesOf('127.0.0.1', 80), /127\.0\.0\.1 is loopback/)
  t.same(await never.addressesOf('8.8.8.8', 443), ['8.8.8.8'])
})

t.test('the hosts file comes before DNS', async (t) => {
  const text =
    '127.0.0.1\tlocalhost\n10.1.1.1 mail.bank.example Mail # mail2\n::1 localhost\nx mail\n'
  t.same(hostsNamed(text, 'localhost'), ['127.0.0.1', '::1'])
  t.same(hostsNamed(text, 'MAIL.bank.example'), ['10.1.1.1'])
  t.same(hostsNamed(text, 'mail'), ['10.1.1.1'])
  t.same(hostsNamed(text, 'mail2'), [])
  t.same(hostsNamed('', ''), [])
})
