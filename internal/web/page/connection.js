// The WebSocket to the server, made anew whenever it is lost.

const firstWait = 500 // ms until the second try; it doubles from there
const longestWait = 30_000
const silence = 40_000 // ms without a word after which the server is asked whether it is there
const patience = 10_000 // ms it has to answer, and a connection to open

/**
 * Connection sends and receives objects. Its owner gives it
 *   hello()          the object that a connection begins with
 *   receive(object)  for what comes
 *   lost()           when it was closed: null if there is no use in trying again, or
 *                    the number of failed tries that this counts for at least
 *   changed()        when state, or what belongs to it, has changed
 */
export class Connection {
  /** 'connecting', 'open', 'waiting' for the next try, or 'stopped' until begin is called. */
  state = 'connecting'
  /** When the next try is due, in ms since 1970. */
  next = 0
  /** Why it was stopped or lost, if the server has said so. */
  reason = ''

  #owner
  #socket = null
  #tries = 0
  #timer = 0
  #quiet = 0
  #answers = new Map() // by id of the request
  #asked = 0

  constructor(owner) {
    this.#owner = owner
    addEventListener('online', () => this.hurry())
    addEventListener('offline', () => this.#socket?.close())
    document.addEventListener('visibilitychange', () => document.hidden || this.#look())
  }

  begin() {
    clearTimeout(this.#timer)
    this.reason = ''
    this.#change('connecting')
    const url = new URL('ws', location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    url.hash = ''
    const socket = this.#socket = new WebSocket(url, 'chatd.v1')
    this.#timer = setTimeout(() => socket.close(), patience)
    socket.onopen = () => socket.send(JSON.stringify(this.#owner.hello()))
    socket.onmessage = e => this.#receive(e.data)
    socket.onclose = e => socket === this.#socket && this.#lost(e)
  }

  /** welcomed is called when the server has greeted: the connection is good. */
  welcomed() {
    clearTimeout(this.#timer)
    this.#tries = 0
    this.#change('open')
  }

  /** stop ends the connection until begin is called. */
  stop(reason) {
    clearTimeout(this.#timer)
    clearTimeout(this.#quiet)
    const socket = this.#socket
    this.#socket = null
    socket?.close(1000)
    this.#forsake()
    this.reason = reason
    this.#change('stopped')
  }

  /** hurry tries at once, if the next try is waited for. */
  hurry() {
    if (this.state === 'waiting') this.begin()
  }

  /** send reports whether an object has been handed to an open connection. */
  send(object) {
    if (this.state !== 'open' || this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(object))
    return true
  }

  /**
   * ask sends a request and returns its answer, with the notices that came before it
   * as its notices. It throws what went wrong as an Error with a code.
   */
  ask(request) {
    return new Promise((resolve, reject) => {
      const id = `q${++this.#asked}`
      if (!this.send({...request, id})) return reject(failure('offline', 'not connected; try again in a moment'))
      this.#answers.set(id, {resolve, reject, notices: [], isCommand: request.type === 'command'})
    })
  }

  #receive(data) {
    this.#listen()
    let object
    try {
      object = JSON.parse(data)
    } catch {
      return
    }
    const waiting = object.id && this.#answers.get(object.id)
    if (!waiting) return this.#owner.receive(object)
    if (object.type === 'notice') return waiting.notices.push(object.text)
    if (waiting.isCommand && !['done', 'error'].includes(object.type)) return this.#owner.receive(object)
    this.#answers.delete(object.id)
    if (object.type === 'error') return waiting.reject(failure(object.code, object.text))
    this.#owner.receive(object)
    waiting.resolve({...object, notices: waiting.notices})
  }

  #lost(event) {
    clearTimeout(this.#timer)
    clearTimeout(this.#quiet)
    this.#socket = null
    this.#forsake()
    this.reason ||= event.reason
    const least = this.#owner.lost()
    if (least === null) return this.#change('stopped')
    this.#tries = Math.max(this.#tries, least)
    // From half to the whole of the time, so that not all come at the same moment.
    const wait = Math.min(longestWait, firstWait * 2 ** this.#tries++) * (0.5 + Math.random() / 2)
    this.next = Date.now() + wait
    this.#timer = setTimeout(() => this.begin(), wait)
    this.#change('waiting')
  }

  #forsake() {
    const open = [...this.#answers.values()]
    this.#answers.clear()
    for (const {reject} of open) reject(failure('offline', 'the connection was lost'))
  }

  /** listen waits for the next word: a network may vanish without one. */
  #listen() {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => this.#look(), silence)
  }

  #look() {
    this.hurry()
    const socket = this.#socket
    if (!this.send({type: 'ping'})) return
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => {
      if (socket !== this.#socket) return
      socket.onclose = null
      socket.close()
      this.#lost({reason: ''})
    }, patience)
  }

  #change(state) {
    this.state = state
    this.#owner.changed()
  }
}

function failure(code, text) {
  return Object.assign(new Error(text), {code})
}
