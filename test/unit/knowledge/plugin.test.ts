import { Writable } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import { knowledgePlugin } from '../../../server/knowledge/plugin.ts'
import { folderOf } from '../../helpers/folder.ts'
import { until } from '../../helpers/hub.ts'

t.test(
  'a runbook that cannot be used is told soon after the start, before anybody asks',
  async (t) => {
    const runbooksFolder = folderOf(t, {
      'Broken.md': 'no front matter',
      'README.md': '# Runbooks',
    })
    const lines: string[] = []
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk))
        done()
      },
    })
    const app = Fastify({ logger: { stream } })
    t.teardown(() => app.close())
    await app.register(knowledgePlugin, { runbooksFolder })
    await app.ready()
    const told = await until('the fault', () => lines.find((line) => line.includes('Broken.md')))
    t.match(JSON.parse(told), {
      level: 50,
      msg: 'a runbook cannot be used',
      err: { message: /front matter is missing/ },
    })
    t.equal(lines.length, 1, 'README.md is none')
  },
)
