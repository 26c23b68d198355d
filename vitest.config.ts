import { configDefaults, defineConfig } from 'vitest/config'

/** `expect.poll` waits for as long as a busy machine may need; what never comes fails all the same. */
const PATIENT = { poll: { timeout: 10_000 } }

/** What measures the memory of its process: another file that ran in the same one before would be in the figures. */
const MEASURES_ITS_PROCESS = 'test/component/media/calls-leave-nothing-behind.test.ts'

/** Sockets, threads and peers in real time on a shared machine: CI gives a test a second try and shows it as `(retry x1)`. */
const SECOND_TRY = process.env.CI === undefined ? 0 : 1

export default defineConfig({
  test: {
    expect: PATIENT,
    retry: SECOND_TRY,
    // Peers wait most of the time. More of them beside each other on two cores disturb one another's audio.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/{unit,vectors,fuzz}/**/*.test.ts'],
          // Of computing alone; what hangs is found all the same.
          testTimeout: 60_000,
          // Pure: they leave nothing behind for each other, and loading all modules anew for each file took longer than they do.
          isolate: false,
          // Pure: a second try would only hide something.
          retry: 0,
        },
      },
      {
        extends: true,
        test: {
          name: 'component',
          include: ['test/component/**/*.test.ts'],
          exclude: [...configDefaults.exclude, MEASURES_ITS_PROCESS],
          testTimeout: 20_000,
          // As above: each closes what it opened, and looks for leftovers.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'component-alone',
          include: [MEASURES_ITS_PROCESS],
          isolate: true,
        },
      },
      {
        extends: true,
        test: {
          name: 'interop',
          include: ['test/{interop,e2e}/**/*.test.ts'],
          testTimeout: 90_000,
          hookTimeout: 90_000,
          // After the others, which leave no core to a call.
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          include: ['test/long/**/*.test.ts'],
          testTimeout: 3_600_000,
          fileParallelism: false,
          retry: 0,
        },
      },
    ],
  },
})
