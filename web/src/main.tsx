import { render } from 'solid-js/web'
import 'asciinema-player/dist/bundle/asciinema-player.css'
import './style/tokens.css'
import './style/base.css'
import './style/shell.css'
import './style/sessions.css'
import './style/search.css'
import './style/session.css'
import './style/terminal.css'
import './style/statements.css'
import './style/dialog.css'
import './style/drills.css'
import './style/access.css'
import './style/policy.css'
import './style/report.css'
import './style/reviews.css'
import { App } from './app.tsx'

const root = document.getElementById('root')
if (root === null) throw new Error('the page has no root')
render(() => <App />, root)
