// What the page remembers: in this browser, or in this tab, over a reload. Both may
// be forbidden, and then nothing is remembered.

function keep(storage) {
  return {
    get(key, otherwise) {
      try {
        return JSON.parse(storage().getItem('chatd.' + key)) ?? otherwise
      } catch {
        return otherwise
      }
    },
    set(key, value) {
      try {
        storage().setItem('chatd.' + key, JSON.stringify(value))
      } catch {
        // Full, or forbidden.
      }
    },
  }
}

export const browser = keep(() => localStorage)
export const tab = keep(() => sessionStorage)

/** secret returns random characters, enough of them that nobody guesses them. */
export function secret() {
  const bytes = crypto.getRandomValues(new Uint8Array(18))
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_')
}

/**
 * session returns the secret by which the server knows this tab again. Another tab
 * may have been copied from this one with all it remembers; then the younger takes a
 * new secret, or the two would take each other's place for ever.
 */
export async function session() {
  let mine = tab.get('session', '')
  if (mine && await inUse(mine)) mine = ''
  if (!mine) tab.set('session', mine = secret())
  answerFor(mine)
  return mine
}

function channel() {
  try {
    return new BroadcastChannel('chatd.session')
  } catch {
    return null
  }
}

function inUse(mine) {
  const others = channel()
  if (!others) return false
  return new Promise(resolve => {
    const timer = setTimeout(() => done(false), 50)
    function done(answer) {
      clearTimeout(timer)
      others.close()
      resolve(answer)
    }
    others.onmessage = e => e.data.here === mine && done(true)
    others.postMessage({who: mine})
  })
}

function answerFor(mine) {
  const others = channel()
  if (others) others.onmessage = e => e.data.who === mine && others.postMessage({here: mine})
}
