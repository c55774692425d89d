import { describeState } from './contract.ts'
import { sqlitePlace } from './place.ts'

describeState('sqlite', sqlitePlace)
