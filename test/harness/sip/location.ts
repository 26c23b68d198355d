import { Location, type LocationLimits } from '../../../sip/registration/location.ts'

/** Limits that only a test about them meets; what is not given is the default. */
export const createLocation = (limits: Partial<LocationLimits> = {}): Location =>
  new Location({ maxBindingsPerAor: 10, maxFlowsPerAor: 10, maxBindings: 50_000, ...limits })
