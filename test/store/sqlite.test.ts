import { describeState } from './contract.ts'
import { sqlitePlace } from './place.ts'
import { describeProcedureState } from './procedure-contract.ts'

describeState('sqlite', sqlitePlace)
describeProcedureState('sqlite', sqlitePlace)
