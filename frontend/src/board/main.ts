import '../design/base.css'
import './board.css'
import { createApp } from 'vue'
import Board from './Board.vue'
import { readPageData } from './pageData'

createApp(Board, { page: readPageData() }).mount('#board')
