package web_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/chatd/chatd/pkg/relay"
)

var pictures = flag.String("pictures", "", "a folder to write pictures of the page to; page.png is the one in docs")

// TestPictures takes pictures for people to look at.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("-pictures names no folder")
	}
	c := serve(t, relay.Config{MOTD: func() string { return "Tea at four in the kitchen." }})
	people := conversation(c)
	p := c.open("")
	p.size(1100, 690, false)
	p.picture("welcome")
	p.takes("mira")
	p.says("/join builds")
	p.until(`document.querySelector('#title').textContent === '#builds'`)
	p.says("/join kitchen")
	p.until(`document.querySelector('#title').textContent === '#kitchen'`)
	p.do(chromedp.Click(chromedp.CSS(`#rooms li:first-child .go`)))
	p.until(`document.querySelector('#title').textContent === '#lobby'`)
	p.says("morning everyone, the build is mine today")
	p.sees("the build is mine today")
	people["ana"].says("mira: there you are! see https://example.org/wiki/Tea_(drink). did it pass?")
	p.sees("did it pass")
	p.says("it did: 214 tests in 38 s\nand the arm one too")
	p.says("/me puts the kettle on")
	people["bob"].says("/msg mira can you look at the router?")
	people["robot0"].says("2.4.1 is built", "and signed")
	p.until(`document.querySelector('#directs .badge') && /2/.test(document.querySelector('#rooms .badge')?.textContent) && !document.querySelector('.waiting')`)
	p.do(chromedp.Evaluate[chromedp.Void](`void document.activeElement.blur()`))
	p.picture("page")
	p.dark(true)
	p.picture("dark")
	p.do(chromedp.Click(chromedp.CSS(`#browse`)))
	p.until(`document.querySelector('#d-rooms-list li')`)
	p.picture("rooms")
	p.do(chromedp.Click(chromedp.CSS(`#d-rooms [data-close]`)))
	p.dark(false)
	p.do(chromedp.Click(chromedp.CSS(`#open-search`)), chromedp.SendKeys(chromedp.CSS(`#d-search input`), "kettle\r"))
	p.until(`document.querySelector('#d-search-list li')`)
	p.picture("search")
	p.do(chromedp.Click(chromedp.CSS(`#d-search [data-close]`)))
	p.do(chromedp.Click(chromedp.CSS(`#people-list li:nth-child(2) button`)))
	p.until(`document.querySelector('#d-person-text p')`)
	p.picture("person")
	p.do(chromedp.Click(chromedp.CSS(`#d-person [data-close]`)))
	p.size(390, 844, true)
	p.picture("phone")
	p.do(chromedp.Click(chromedp.CSS(`#open-side`)))
	p.picture("phone-rooms")
	p.do(chromedp.Click(chromedp.CSS(`#side .drawer-close`)), chromedp.Click(chromedp.CSS(`#open-people`)))
	p.dark(true)
	p.picture("phone-people")
	p.do(chromedp.Click(chromedp.CSS(`#people .drawer-close`)))
	p.picture("phone-dark")
	_ = c.relay.Close()
	p.until(`!document.querySelector('#banner').hidden`)
	p.picture("phone-lost")
}

// conversation has some people talk.
func conversation(c *chat) map[string]*person {
	people := make(map[string]*person)
	for _, name := range []string{"ana", "bob", "chen", "Юлия", "dora"} {
		people[name] = c.person(name)
	}
	for _, line := range []struct{ who, text string }{
		{"ana", "/topic builds, tea, and who broke what"},
		{"ana", "is anybody up?"},
		{"bob", "here"},
		{"bob", "the router in the lab is down again, I am on my phone"},
		{"chen", "deployed 2.4 to all three, nothing burnt"},
		{"ana", "nice!"},
		{"Юлия", "доброе утро, коллеги. Логи чистые, ни одной ошибки за ночь"},
		{"dora", "release notes are at https://example.org/notes/2.4 — please read before noon"},
		{"bob", "/me turns it off and on again"},
		{"ana", "ha"},
	} {
		people[line.who].says(line.text)
		_, said, command := strings.Cut(line.text, " ")
		if !command || line.text[0] != '/' {
			said = line.text
		}
		people["ana"].sees(said)
	}
	for i, room := range []string{"builds", "kitchen", "off-topic"} {
		name := fmt.Sprintf("robot%d", i)
		p := c.person(name)
		people[name] = p
		p.says("/join "+room, "all is well", "/topic what the robots say")
		p.sees("topic")
	}
	return people
}

func (p *page) size(width, height int64, phone bool) {
	options := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1)}
	if phone {
		options = []chromedp.EmulateViewportOption{chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch}
	}
	p.do(chromedp.EmulateViewport(width, height, options...))
}

func (p *page) dark(on bool) {
	value := "light"
	if on {
		value = "dark"
	}
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	})
}

func (p *page) picture(name string) {
	p.t.Helper()
	// After two frames all is drawn, and after the drawers' 180 ms they are there.
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](
		`Promise.all(document.getAnimations().map(a => a.finished.catch(() => {}))).then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`, chromedp.EvalAwaitPromise)); err != nil {
		p.t.Fatal(err)
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
