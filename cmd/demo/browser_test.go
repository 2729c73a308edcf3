// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// browserTime bounds one browser test, on a slow machine too.
const browserTime = 3 * time.Minute

// browser is a window of a headless Chromium with a fresh profile.
type browser struct {
	t       *testing.T
	ctx     context.Context
	profile cdp.BrowserContextID
	screen  screen
	shots   string

	left int // documents left by the back button

	mu     sync.Mutex
	errors []string // what its console complained of
}

// screen is what a browser looks like to a site.
type screen struct {
	name          string
	width, height int64
	userAgent     string // "": the browser's own
}

var (
	desktop = screen{"desktop", 1280, 900, ""}
	phone   = screen{"phone", 390, 844,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"}
)

// chromium finds the browser. Only where there is none may a browser test be
// skipped, and never in CI.
func chromium(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	reason := fmt.Sprintf("no browser: none of %s is in PATH", strings.Join(names, ", "))
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}

// shared is the one Chromium of all tests; TestMain closes it.
var shared struct {
	once  sync.Once
	ctx   context.Context
	err   error
	close func()
}

// startChromium starts it for the first test that asks.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	path := chromium(t)
	shared.once.Do(func() {
		allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), // it outlives its first test
			chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
			chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-sync", true), chromedp.Flag("no-proxy-server", true), chromedp.Flag("hide-scrollbars", true),
			chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(browserTime/2))
		ctx, closeFirst := chromedp.NewContext(allocator)
		shared.ctx, shared.close = ctx, func() { closeFirst(); closeAllocator() }
		shared.err = chromedp.Run(ctx)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ctx
}

// openBrowser opens a window with a profile of its own: no cookie is shared with
// another test's.
func openBrowser(t *testing.T, s screen, languages string) *browser {
	t.Helper()
	parent := startChromium(t)
	chrome := cdp.WithExecutor(parent, chromedp.FromContext(parent).Browser)
	profile, err := target.CreateBrowserContext().Do(chrome)
	if err != nil {
		t.Fatal(err)
	}
	window, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(chrome)
	if err != nil {
		t.Fatal(err)
	}
	ctx, closeTab := chromedp.NewContext(parent, chromedp.WithTargetID(window))
	ctx, cancel := context.WithTimeout(ctx, browserTime)
	t.Cleanup(func() {
		cancel()
		closeTab()
		if err := target.DisposeBrowserContext(profile).Do(chrome); err != nil {
			t.Error(err)
		}
	})
	b := &browser{t: t, ctx: ctx, profile: profile, screen: s, shots: os.Getenv("DEMO_SCREENSHOTS")}
	if b.shots == "" {
		b.shots = t.TempDir()
	} else if err := os.MkdirAll(b.shots, 0o755); err != nil {
		t.Fatal(err)
	}
	chromedp.ListenTarget(ctx, b.listen)
	actions := []chromedp.Action{log.Enable(), runtime.Enable(), emulate(s, languages)}
	if s.userAgent != "" {
		actions = append(actions, chromedp.EmulateViewport(s.width, s.height, chromedp.EmulateMobile, chromedp.EmulateTouch))
	} else {
		actions = append(actions, chromedp.EmulateViewport(s.width, s.height))
	}
	b.run(actions...)
	return b
}

// emulate makes the browser ask for languages and, on a phone, call itself one.
func emulate(s screen, languages string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		agent := s.userAgent
		if agent == "" {
			if err := chromedp.Evaluate(`navigator.userAgent.replace("Headless", "")`, &agent).Do(ctx); err != nil {
				return err
			}
		}
		return emulation.SetUserAgentOverride(agent).WithAcceptLanguage(languages).Do(ctx)
	})
}

// listen keeps what the console complains of: a blocked style, a script's error.
// That a page answered 404 is no fault of the page.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
			b.errors = append(b.errors, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Error())
	}
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.fail(err)
	}
}

// fail shows what the browser had on its screen when something did not come.
func (b *browser) fail(err error) {
	b.t.Helper()
	var at, text string
	// the tab's own context may be over
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), 10*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Location(&at), chromedp.Evaluate(`document.body.innerText`, &text)) // best effort
	b.t.Fatalf("%s: %v\nat %s:\n%s", b.screen.name, err, at, text)
}

// visit opens an address and waits for its page.
func (b *browser) visit(address string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Navigate(address)); err != nil {
		b.fail(err)
	}
}

// click follows a link or sends a form, and waits for the page after it.
func (b *browser) click(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible)); err != nil {
		b.fail(fmt.Errorf("clicking %s: %w", selector, err))
	}
}

func (b *browser) wait(selector string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery))
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	var text string
	b.run(chromedp.Text(selector, &text, chromedp.ByQuery))
	return strings.TrimSpace(text)
}

func (b *browser) location() string {
	b.t.Helper()
	var at string
	b.run(chromedp.Location(&at))
	return at
}

// look keeps a picture of the whole page and checks what any page has to be:
// one heading, a language, no line wider than the screen, no field without a
// label, no complaint in the console.
func (b *browser) look(name string) {
	b.t.Helper()
	var picture []byte
	var faults []string
	b.run(chromedp.FullScreenshot(&picture, 100), chromedp.Evaluate(pageFaults, &faults))
	b.mu.Lock()
	faults = append(faults, b.errors...)
	b.errors = nil
	b.mu.Unlock()
	for _, fault := range faults {
		b.t.Errorf("%s on %s: %s", name, b.screen.name, fault)
	}
	if err := os.WriteFile(filepath.Join(b.shots, b.screen.name+"-"+name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

const pageFaults = `(() => {
	const faults = [], root = document.documentElement;
	if (root.scrollWidth > root.clientWidth) faults.push("wider than the screen by " + (root.scrollWidth - root.clientWidth) + " px");
	if (!root.lang) faults.push("no language");
	if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
	if (!document.title) faults.push("no title");
	for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
		if (!field.labels.length && !field.ariaLabel) faults.push("no label: " + field.name);
	for (const button of document.querySelectorAll("a, button"))
		if (!button.textContent.trim() && !button.ariaLabel) faults.push("no name: " + button.outerHTML);
	return faults;
})()`
