import { MovingClock } from '../support/moving-clock.ts'

/** A machine's clock that somebody, or NTP, sets: the wall clock steps, and monotonic time goes on as it was. */
export class SteppingClock extends MovingClock {
  #offMs = 0

  override now(): number {
    return super.now() + this.#offMs
  }

  /** Sets the wall clock `ms` ahead; less than nothing: back. */
  step(ms: number): void {
    this.#offMs += ms
  }
}
