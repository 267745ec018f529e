import '../design/base.css'
import './login.css'
