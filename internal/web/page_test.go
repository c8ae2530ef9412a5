package web_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/pkg/relay"
)

// texts are what was said as the page shows it, in its order.
func (p *page) texts() []string {
	p.t.Helper()
	return eval[[]string](p, `[...document.querySelectorAll('#log .message .text')].map(e => e.textContent)`)
}

// shows checks that exactly this was said, as far as the page shows.
func (p *page) shows(want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, p.texts()); diff != "" {
		p.t.Errorf("what the page shows (-want +got):\n%s", diff)
	}
}

func TestPageTalks(t *testing.T) {
	c := serve(t, relay.Config{})
	ana := c.person("ana")
	ana.says("first")
	ana.sees("ana: first")
	p := c.open("")
	p.takes("mira")
	p.sees("first")
	p.says("hello from a browser: 你好 👩‍👩‍👧")
	ana.sees("mira: hello from a browser: 你好 👩‍👩‍👧")
	ana.says("mira: hello from nc")
	p.sees("hello from nc")
	p.says("/me waves")
	ana.sees("* mira waves")
	p.says("//slashed")
	ana.sees("mira: /slashed")
	p.says("/etc/passwd is a file")
	ana.sees("mira: /etc/passwd is a file")
	p.sees("/etc/passwd is a file")
	p.until(`!document.querySelector('.waiting, .said')`)
	p.shows("first", "hello from a browser: 你好 👩‍👩‍👧", "mira: hello from nc", "waves", "/slashed", "/etc/passwd is a file")
	if mine := eval[int](p, `document.querySelectorAll('.message.mine').length`); mine != 4 {
		t.Errorf("%d lines are marked as one's own", mine)
	}
	if named := eval[string](p, `[...document.querySelectorAll('.message.named .text')].map(e => e.textContent).join()`); named != "mira: hello from nc" {
		t.Errorf("%q are marked as naming one", named)
	}
	p.says("/topic what mira wants")
	ana.sees("set the topic: what mira wants")
	p.until(`document.querySelector('#topic').textContent === 'what mira wants'`)
	p.says("/nick mia")
	p.until(`document.querySelector('.me-name').textContent === 'mia'`)
	p.says("/frobnicate")
	p.until(`/no command|unknown|help/i.test(document.querySelector('#log .answer:last-of-type')?.textContent ?? '')`)
}

// The connection is lost while others talk and one talks oneself: afterwards all of
// it stands there once, in everybody's order.
func TestPageComesBack(t *testing.T) {
	c := serve(t, relay.Config{})
	network := c.through(t)
	ana := c.person("ana")
	p := c.open("")
	p.takes("mira")
	want := []string{}
	for i := range 3 {
		before := fmt.Sprintf("before the break %d", i)
		p.says(before)
		ana.sees(before)
		p.sees(before)

		network.down.Store(true)
		network.cut()
		p.until(`!document.querySelector('#banner').hidden && document.querySelector('#banner').classList.contains('waiting')`)
		ana.says("nobody hears", "this but nc", "/nick anna", "/nick ana")
		ana.sees("anna is now ana")
		mine := fmt.Sprintf("written during the break %d", i)
		p.says(mine)
		p.until(`document.querySelector('.message.waiting')`)

		network.down.Store(false)
		p.do(chromedp.Click(chromedp.CSS(`#banner-button`)))
		p.until(`document.querySelector('#banner').hidden && !document.querySelector('.waiting, .said')`)
		ana.sees(mine)
		want = append(want, before, "nobody hears", "this but nc", mine)
	}
	p.shows(want...)
	if name := eval[string](p, `document.querySelector('.me-name').textContent`); name != "mira" {
		t.Errorf("the name is %q now", name)
	}
}

// What one says arrives, but what the server says to that is lost with the
// connection: it is said once all the same.
func TestPageSaysOnce(t *testing.T) {
	c := serve(t, relay.Config{})
	network := c.through(t)
	ana := c.person("ana")
	p := c.open("")
	p.takes("mira")
	for i := range 3 {
		text := fmt.Sprintf("once only %d", i)
		network.deaf.Store(true)
		p.says(text)
		ana.sees(text)
		p.until(`document.querySelector('.message.waiting')`)
		network.cut()
		network.deaf.Store(false)
		p.until(`document.querySelector('#banner').hidden && !document.querySelector('.waiting, .said')`)
		end := fmt.Sprintf("then this %d", i)
		p.says(end)
		p.sees(end)
	}
	want := []string{"once only 0", "then this 0", "once only 1", "then this 1", "once only 2", "then this 2"}
	p.shows(want...)

	// Over a reload too: the tab remembers what may not have arrived.
	network.deaf.Store(true)
	p.says("over a reload")
	ana.sees("over a reload")
	p.until(`document.querySelector('.message.waiting')`)
	network.cut()
	network.deaf.Store(false)
	p.do(chromedp.Reload())
	p.until(`document.querySelector('#banner').hidden && document.querySelectorAll('.message').length >= 7 && !document.querySelector('.waiting, .said')`)
	p.says("the end")
	p.sees("the end")
	p.shows(append(want, "over a reload", "the end")...)
	if name := eval[string](p, `document.querySelector('.me-name').textContent`); name != "mira" {
		t.Errorf("the name is %q now", name)
	}
}

func TestPageScrollsBack(t *testing.T) {
	c := serve(t, relay.Config{Rate: relay.Unlimited, Burst: relay.Unlimited})
	ana := c.person("ana")
	const n = 400
	var want []string
	for i := range n {
		want = append(want, "message "+strconv.Itoa(i))
	}
	ana.says(want...)
	ana.sees(want[n-1])
	p := c.open("")
	p.takes("mira")
	p.sees(want[n-1])
	first := len(p.texts())
	if first >= n/2 {
		t.Fatalf("%d messages are there already", first)
	}
	for shown := first; shown < n; shown = len(p.texts()) {
		seen := eval[string](p, `document.querySelector('.message .text').textContent`)
		p.do(chromedp.Evaluate[chromedp.Void](`void (document.querySelector('#scroll').scrollTop = 0)`))
		p.until(fmt.Sprintf(`document.querySelectorAll('.message').length > %d`, shown))
		// What was looked at is still in sight.
		if !eval[bool](p, fmt.Sprintf(`(() => {
			const e = [...document.querySelectorAll('.message .text')].find(e => e.textContent === %q).getBoundingClientRect()
			const s = document.querySelector('#scroll').getBoundingClientRect()
			return e.bottom > s.top && e.top < s.bottom
		})()`, seen)) {
			t.Errorf("%q is out of sight now", seen)
		}
	}
	p.shows(want...)
	p.until(`/begins/.test(document.querySelector('#top').textContent)`)

	// New messages do not take one away from there.
	ana.says("the newest")
	p.until(`!document.querySelector('#jump').hidden && /1 new/.test(document.querySelector('#jump').textContent)`)
	p.until(`document.title.startsWith('(1) ')`)
	p.do(chromedp.Click(chromedp.CSS(`#jump`)))
	p.until(`document.querySelector('#jump').hidden && !document.title.startsWith('(')`)
	p.sees("the newest")
}

func TestPageRooms(t *testing.T) {
	c := serve(t, relay.Config{})
	ana := c.person("ana")
	p := c.open("#tea")
	p.takes("mira")
	p.until(`document.querySelector('#title').textContent === '#tea'`)
	ana.says("/join tea", "in here")
	p.sees("in here")
	p.says("/join kitchen")
	p.until(`document.querySelector('#title').textContent === '#kitchen' && location.hash === '#kitchen'`)
	ana.says("mira, the tea is cold")
	p.until(`document.querySelector('#rooms .unread .badge.named') && document.title.startsWith('(1) ')`)
	ana.says("/msg mira psst")
	p.until(`document.querySelector('#directs .badge') && document.title.startsWith('(2) ')`)
	p.do(chromedp.Click(chromedp.CSS(`#directs .go`)))
	p.sees("psst")
	p.says("what?")
	ana.sees("mira to you: what?")
	p.sees("what?")
	p.until(`document.title.startsWith('(1) ') && !document.querySelector('.waiting')`)
	p.shows("psst", "what?")
	p.do(chromedp.KeyEvent(kb.ArrowUp, chromedp.KeyModifiers(1))) // Alt
	p.until(`document.querySelector('#title').textContent === '#kitchen'`)
	p.do(chromedp.KeyEvent(kb.ArrowUp, chromedp.KeyModifiers(1)))
	p.sees("the tea is cold")
	p.until(`document.querySelector('#log .mark') && !document.title.startsWith('(')`)
	p.says("/leave")
	p.until(`document.querySelectorAll('#rooms li').length === 1`)
	p.do(chromedp.Reload())
	p.until(`document.querySelector('#title').textContent === '#kitchen' && document.querySelectorAll('#rooms li').length === 1`)

	p.do(chromedp.Click(chromedp.CSS(`#browse`)))
	p.until(`document.querySelectorAll('#d-rooms-list li').length >= 2`)
	p.do(chromedp.SendKeys(chromedp.CSS(`#d-rooms input`), "pantry\r"))
	p.until(`document.querySelector('#title').textContent === '#pantry' && !document.querySelector('dialog[open]')`)
}

func TestPageNames(t *testing.T) {
	c := serve(t, relay.Config{})
	c.person("ana")
	p := c.open("")
	try := func(name, password string) {
		p.fills(`#d-you`, map[string]string{"name": name, "password": password})
	}
	try("ana", "")
	p.until(`/ana.*taken/.test(document.querySelector('#d-you .error').textContent)`)
	try("a b c", "")
	p.until(`/letter|space|word/.test(document.querySelector('#d-you .error').textContent)`)
	try("mira", "")
	p.until(`!document.querySelector('dialog[open]')`)
	p.do(chromedp.Click(chromedp.CSS(`#me`)))
	p.until(`document.querySelector('#d-you-register:not([hidden])')`)
	p.do(chromedp.SendKeys(chromedp.CSS(`#d-you-register input`), "correct horse\r"))
	p.until(`!document.querySelector('dialog[open]') && document.querySelector('.me-state').textContent === 'registered'`)

	other := c.open("")
	other.fills(`#d-you`, map[string]string{"name": "mira", "password": "wrong"})
	other.until(`/not right/.test(document.querySelector('#d-you .error').textContent)`)
}

func TestPagePassword(t *testing.T) {
	c := serve(t, relay.Config{Password: func() string { return "sesame" }})
	p := newPage(t)
	p.do(chromedp.Navigate(c.url))
	for _, try := range []struct{ because, password string }{{"", "open"}, {"that is not the password", "sesame"}} {
		p.until(fmt.Sprintf(`document.querySelector('#d-password[open] .error').textContent.startsWith(%q) &&
			!document.querySelector('#d-password button.primary').disabled && document.querySelector('#banner.stopped')`, try.because))
		p.fills(`#d-password`, map[string]string{"password": try.password})
	}
	p.until(`document.querySelector('#d-you[open]') && document.querySelector('#title').textContent === '#lobby'`)
}

func TestPageSearches(t *testing.T) {
	c := serve(t, relay.Config{Rate: relay.Unlimited, Burst: relay.Unlimited})
	ana := c.person("ana")
	ana.says("the needle is here")
	for i := range 300 {
		ana.says("hay " + strconv.Itoa(i))
	}
	ana.sees("hay 299")
	p := c.open("")
	p.takes("mira")
	p.sees("hay 299")
	p.says("/search needle")
	p.until(`document.querySelectorAll('#d-search-list li').length === 1`)
	p.do(chromedp.Click(chromedp.CSS(`#d-search-list button`)))
	p.until(`document.querySelector('.pointed .text')?.textContent === 'the needle is here'`)
}

// On a phone the lists are drawers, and what is not in sight is out of the keyboard's
// way too.
func TestPageOnAPhone(t *testing.T) {
	c := serve(t, relay.Config{})
	c.person("ana")
	p := c.open("")
	p.takes("mira")
	p.size(360, 640, true)
	p.until(`document.querySelector('#side').inert && document.querySelector('#people').inert`)
	if wide := eval[int](p, `document.documentElement.scrollWidth`); wide > 360 {
		t.Errorf("it is %d pixels wide", wide)
	}
	p.do(chromedp.Click(chromedp.CSS(`#open-people`)))
	p.until(`!document.querySelector('#people').inert && document.querySelector('.chat').inert`)
	p.do(chromedp.KeyEvent(kb.Escape))
	p.until(`document.querySelector('#people').inert && document.activeElement.id === 'open-people'`)
	small := eval[[]string](p, `[...document.querySelectorAll('button')].filter(b => b.checkVisibility() && !b.closest('[inert], dialog') && !b.matches('.name, .link'))
		.filter(b => b.getBoundingClientRect().height < 32).map(b => b.id || b.className)`)
	if len(small) > 0 {
		t.Errorf("too small for a thumb: %q", small)
	}
}

// Everything has a name for those who do not see it, and what is said is read out.
func TestPageIsReadOut(t *testing.T) {
	c := serve(t, relay.Config{})
	ana := c.person("ana")
	p := c.open("")
	p.takes("mira")
	nameless := eval[[]string](p, `[...document.querySelectorAll('button, input, textarea, nav, aside, dialog')].filter(e =>
		!(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim() || e.closest('label'))).map(e => e.outerHTML)`)
	if len(nameless) > 0 {
		t.Errorf("without a name: %q", nameless)
	}
	ana.says("read this")
	p.until(`document.querySelector('#announcer').textContent === 'ana: read this'`)
	p.do(chromedp.SendKeys(chromedp.CSS(`#text`), "an"+kb.Tab))
	p.until(`document.querySelector('#text').value === 'ana: '`)
	p.do(chromedp.SendKeys(chromedp.CSS(`#text`), "yes\r"))
	ana.sees("mira: ana: yes")
	p.do(chromedp.KeyEvent(kb.ArrowUp))
	p.until(`document.querySelector('#text').value === 'ana: yes'`)
}

// Every colour that a name can have is read easily, in the light and in the dark.
func TestPageColours(t *testing.T) {
	c := serve(t, relay.Config{})
	p := c.open("")
	for _, dark := range []bool{false, true} {
		p.dark(dark)
		least := eval[map[string]float64](p, `(() => {
			const pixel = colour => {
				const c = document.createElement('canvas').getContext('2d')
				c.fillStyle = colour
				c.fillRect(0, 0, 1, 1)
				return [...c.getImageData(0, 0, 1, 1).data]
			}
			const luminance = colour => pixel(colour).slice(0, 3).map(v => v / 255)
				.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
				.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
			const contrast = (a, b) => { // WCAG 2.2, relative luminance
				const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y)
				return (high + 0.05) / (low + 0.05)
			}
			const style = e => getComputedStyle(e)
			const line = document.createElement('li')
			line.className = 'message named'
			const name = document.createElement('button')
			name.className = 'name'
			const avatar = document.createElement('span')
			avatar.className = 'avatar'
			line.append(avatar, name)
			document.querySelector('#log').append(line)
			const paper = style(document.querySelector('.chat')).backgroundColor
			const least = {name: 99, named: 99, avatar: 99, faint: 99, text: 99, link: 99}
			for (let hue = 0; hue < 360; hue += 15) {
				name.style.setProperty('--hue', hue)
				avatar.style.setProperty('--hue', hue)
				least.name = Math.min(least.name, contrast(style(name).color, paper))
				least.named = Math.min(least.named, contrast(style(name).color, style(line).backgroundColor))
				least.avatar = Math.min(least.avatar, contrast(style(avatar).color, style(avatar).backgroundColor))
			}
			least.faint = contrast(style(document.querySelector('.faint')).color, paper)
			least.text = contrast(style(document.body).color, paper)
			const link = document.createElement('a')
			line.append(link)
			link.href = 'https://example.org/'
			least.link = contrast(style(link).color, paper)
			line.remove()
			return least
		})()`)
		for what, contrast := range least {
			if contrast < 4.5 {
				t.Errorf("dark %v: %s has a contrast of %.2f", dark, what, contrast)
			}
		}
		t.Logf("dark %v: %v", dark, least)
	}
}

// A page that is shown a name over and over gives it one colour.
func TestPageColourOfAName(t *testing.T) {
	c := serve(t, relay.Config{})
	p := c.open("")
	hues := eval[[]int](p, `import('./text.js').then(t => ['ana', 'Ana', 'ＡＮＡ', 'bob'].map(t.hue))`, chromedp.EvalAwaitPromise)
	if len(hues) != 4 || hues[0] != hues[1] || hues[0] != hues[2] || hues[0] == hues[3] {
		t.Errorf("%v", hues)
	}
}

// Those who lose the server try again, later and later, and not all at once.
func TestPageBacksOff(t *testing.T) {
	c := serve(t, relay.Config{})
	network := c.through(t)
	p := c.open("")
	p.takes("mira")
	network.down.Store(true)
	// Each time that the next try is waited for, the clock is noted.
	p.do(chromedp.Evaluate[chromedp.Void](`void (() => {
		window.losses = []
		let was = ''
		new MutationObserver(() => {
			const is = document.querySelector('#banner').className
			if (is !== was && is.includes('waiting')) losses.push(performance.now())
			was = is
			document.body.dataset.losses = losses.length
		}).observe(document.querySelector('#banner'), {attributes: true})
	})()`))
	network.cut()
	p.until(`document.body.dataset.losses >= 4`)
	at := eval[[]float64](p, `losses`)
	for i := 1; i < 4; i++ {
		least := 250 * float64(int(1)<<(i-1)) // half of what chance makes of it at most
		if wait := at[i] - at[i-1]; wait < least {
			t.Errorf("try %d came after %.0f ms, want %.0f at least", i, wait, least)
		}
	}
	network.down.Store(false)
	p.until(`document.querySelector('#banner').hidden`)
}

// Who is sent away does not come back by himself.
func TestPageStaysAway(t *testing.T) {
	s := scripted{func(asked object, say func(...object)) {
		switch asked["type"] {
		case "hello":
			say(
				object{"type": "welcome", "version": 1, "server": "x", "name": "guest1", "max_text": 4096, "room": "lobby"},
				object{"type": "joined", "room": "lobby", "people": []object{}, "after": object{"epoch": 1, "seq": 0}},
				object{"type": "live", "room": "lobby", "epoch": 1, "seq": 0, "people": []object{}},
			)
		case "say":
			say(object{"type": "bye", "code": "sent-away", "text": "ana has sent you away"})
			say(nil)
		}
	}}
	p := s.page(t)
	p.until(`document.querySelector('#d-you[open]')`)
	p.do(chromedp.Click(chromedp.CSS(`#d-you [data-close]`)))
	p.says("hello")
	p.until(`document.querySelector('#banner.stopped') && /ana has sent you away/.test(document.querySelector('#banner').textContent)`)
	p.do(chromedp.Click(chromedp.CSS(`#banner-button`)))
	p.until(`document.querySelector('#banner').hidden`)
}

// Who opens the port for nc in a browser reads that.
func TestChatPortInABrowser(t *testing.T) {
	c := serve(t, relay.Config{})
	p := newPage(t)
	p.mayComplain.Store(true) // about an icon
	p.do(chromedp.Navigate("http://" + c.line + "/"))
	if text := eval[string](p, `document.body.innerText`); !strings.Contains(text, "this is chatd, a chat for nc and telnet") {
		t.Errorf("it shows %q", text)
	}
}
