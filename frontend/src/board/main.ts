import '../design/base.css'
import { createApp, h } from 'vue'

createApp({ render: () => h('p', 'Sera') }).mount('#board')
