package web_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"go.uber.org/goleak"

	"github.com/chatd/chatd/internal/web"
	"github.com/chatd/chatd/pkg/relay"
)

// browserTime is what everything in one test of the page may take together. It takes a
// few seconds, but a browser and all other tests may share two processors.
const browserTime = 3 * time.Minute

// browser is one that all tests share. Each has a profile of its own in it.
var browser struct {
	once sync.Once
	ctx  context.Context
	end  []context.CancelFunc
	err  error
}

func TestMain(m *testing.M) {
	status := m.Run()
	for _, end := range browser.end {
		end()
	}
	if status == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

func startBrowser() {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("lang", "en-GB"), chromedp.Env("TZ=UTC", "LANGUAGE=en_GB"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endBrowser := chromedp.NewContext(allocator)
	browser.ctx, browser.end = ctx, []context.CancelFunc{endBrowser, end}
	browser.err = chromedp.Do(ctx)
}

// chat is a server, as it is in production but for what a test changes.
type chat struct {
	t     *testing.T
	relay *relay.Server
	web   *web.Server
	page  string // address of the page
	url   string // by which it is opened
	line  string // address for nc
	pages []*page
}

func serve(t *testing.T, cfg relay.Config) *chat {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "chat.example.org"
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	c := &chat{t: t, relay: relay.New(cfg)}
	c.web = web.New(web.Config{Relay: c.relay})
	line, page := localListener(t), localListener(t)
	c.line, c.page = line.Addr().String(), page.Addr().String()
	c.url = "http://" + c.page + "/"
	var serving sync.WaitGroup
	serving.Go(func() { _ = c.relay.Serve(context.Background(), line) })
	serving.Go(func() { _ = c.web.Serve(context.Background(), page) })
	t.Cleanup(func() {
		c.web.Shutdown()
		_ = c.relay.Close()
		serving.Wait()
	})
	return c
}

func localListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// person is somebody with nc.
type person struct {
	chat *chat
	t    *testing.T
	conn net.Conn
	in   *bufio.Scanner
}

func (c *chat) person(name string) *person {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.line)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(browserTime))
	p := &person{chat: c, t: c.t, conn: conn, in: bufio.NewScanner(conn)}
	p.says("/bot " + name)
	p.sees(name + " joined")
	return p
}

func (p *person) says(lines ...string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.conn, strings.Join(lines, "\n")); err != nil {
		p.t.Error(err)
	}
}

// sees reads up to a line with these words.
func (p *person) sees(words string) {
	p.t.Helper()
	for p.in.Scan() {
		if strings.Contains(p.in.Text(), words) {
			return
		}
	}
	for _, page := range p.chat.pages {
		p.t.Log(page.shown())
	}
	p.t.Fatalf("nothing with %q was seen: %v", words, p.in.Err())
}

// page is the page in a tab.
type page struct {
	t           *testing.T
	tab, ctx    context.Context // the latter with a limit
	mayComplain atomic.Bool     // in the browser's console
}

// open opens the page, at a room or none (""), where nobody has been yet.
func (c *chat) open(room string) *page {
	c.t.Helper()
	p := newPage(c.t)
	c.pages = append(c.pages, p)
	p.do(chromedp.Navigate(c.url + room))
	p.until(`document.querySelector('#d-you[open]') && document.querySelector('#text:not(:disabled)')`)
	return p
}

// newPage is an empty tab.
func newPage(t *testing.T) *page {
	t.Helper()
	browser.once.Do(startBrowser)
	if browser.err != nil {
		t.Fatalf("no browser: %v; tools/deps.sh installs it", browser.err)
	}
	ctx, cancel := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tab := ctx
	if err := chromedp.Do(tab); err != nil { // opens it, for as long as this context lasts
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(tab, browserTime)
	t.Cleanup(stop)
	p := &page{t: t, tab: tab, ctx: ctx}
	complaints := chromedp.Console(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range complaints {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException {
				if !p.mayComplain.Load() && !expected(m.Text) {
					t.Errorf("the page complains: %v", m)
				}
			}
		}
	}()
	t.Cleanup(func() { stop(); cancel(); <-done })
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return p
}

// expected are complaints about what a test has done to the server.
func expected(text string) bool {
	return strings.Contains(text, "WebSocket connection to") || strings.Contains(text, "net::ERR_")
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// call sends the browser a command of its own protocol.
func call[P, R any](p *page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	result, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatal(err)
	}
	return result
}

// eval returns the value of an expression in the page.
func eval[T any](p *page, expression string, options ...chromedp.EvaluateOption) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits until an expression is true, looking whenever the page changes.
func (p *page) until(expression string) {
	p.t.Helper()
	script := fmt.Sprintf(`new Promise(done => {
		const look = () => {
			let is = false
			try { is = Boolean(%s) } catch {}
			if (is) { observer.disconnect(); removeEventListener('scroll', look, true); done(true) }
			return is
		}
		const observer = new MutationObserver(look)
		if (look()) return
		observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true})
		addEventListener('scroll', look, true)
	})`, expression)
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise)); err != nil {
		p.t.Fatalf("%s: %v; %s", expression, err, p.shown())
	}
}

// shown is what the page shows, for those who look for a fault.
func (p *page) shown() string {
	ctx, stop := context.WithTimeout(p.tab, 5*time.Second)
	defer stop()
	shown, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[document.title, document.activeElement.outerHTML.slice(0, 100),
		document.querySelector('#text').value, document.body.innerText].join('\n')`))
	if err != nil {
		return "the page does not answer: " + err.Error()
	}
	return "the page shows:\n" + shown
}

// sees waits until the log has a text.
func (p *page) sees(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`[...document.querySelectorAll('#log .text, #log .note-text')].some(e => e.textContent.includes(%q))`, text))
}

// takes takes a name in the dialog that the page begins with.
func (p *page) takes(name string) {
	p.t.Helper()
	p.fills(`#d-you`, map[string]string{"name": name})
	p.until(fmt.Sprintf(`document.querySelector('.me-name').textContent === %q && !document.querySelector('dialog[open]')`, name))
}

// says writes a text and sends it.
func (p *page) says(text string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS(`#text`)))
	call(p, input.InsertText, input.InsertTextParams{Text: text})
	p.do(chromedp.KeyEvent(kb.Enter))
}

// fills writes into the fields of a form, by their names, and sends it.
func (p *page) fills(form string, fields map[string]string) {
	p.t.Helper()
	for name, value := range fields {
		p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`void (document.querySelector('%s [name=%s]').value = %q)`, form, name, value)))
	}
	p.do(chromedp.Click(chromedp.CSS(form + ` button:not([type])`)))
}
