import { expect, test } from 'vitest'
import { ServerClock } from '../src/live/clock'

test('is the browser’s clock until the server said its time', () => {
  expect(new ServerClock(() => 1000).now()).toBe(1000)
})

test('believes the message that travelled least, then runs on by itself', () => {
  let local = 10_000
  const clock = new ServerClock(() => local)
  clock.observe(12_700) // 300 ms on the way
  clock.observe(12_950) // 50 ms
  clock.observe(12_100) // 900 ms
  expect(clock.now()).toBe(12_950)
  local += 61_000
  expect(clock.now()).toBe(73_950)
})

test('forgets old offsets, so that it follows a clock that was set back', () => {
  const clock = new ServerClock(() => 0)
  clock.observe(5000)
  for (let message = 0; message < 19; message += 1) clock.observe(1000)
  expect(clock.now()).toBe(5000)
  clock.observe(1000)
  expect(clock.now()).toBe(1000)
})
