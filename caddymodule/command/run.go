// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// Exit codes, as exitCodes tells them.
const (
	exitUsage       = caddy.ExitCodeFailedStartup
	exitRefused     = 2
	exitNotFound    = 3
	exitUnavailable = 4
	exitUnknown     = 5
)

// failure is how a command ends that does not succeed. Its text is for people, in
// their language, and may be empty if they have been told already.
type failure struct {
	code int
	text string
}

func (f *failure) Error() string { return f.text }

func (t *tool) fail(code int, english, chinese string, args ...any) error {
	return &failure{code, t.lang.Say(english, chinese, args...)}
}

// job is one run of a command.
type job struct {
	*tool
	ctx  context.Context
	cmd  *cobra.Command
	args []string
}

// run makes a command's RunE of a function. The process ends with the code of the
// failure that the function returns, or with 1.
func (t *tool) run(do func(j *job) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
		defer stop()
		err := do(&job{tool: t, ctx: ctx, cmd: cmd, args: args})
		if err == nil {
			return nil
		}
		cmd.SilenceErrors = true // it is told here
		f, ok := errors.AsType[*failure](err)
		if !ok {
			f = &failure{exitUsage, err.Error()}
		}
		if f.text != "" {
			fmt.Fprintln(t.stderr, t.lang.Say("error: ", "错误：")+f.text)
		}
		if f.code <= exitUsage {
			return err
		}
		// Caddy's way to another exit code than 1
		return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return f.code, nil })(cmd, args)
	}
}

func (j *job) flag(name string) string {
	f := j.cmd.Flags().Lookup(name)
	if f == nil {
		return ""
	}
	return f.Value.String()
}

func (j *job) is(name string) bool { return j.flag(name) == "true" }

// people reports whether the output is text for people.
func (j *job) people() bool { return (j.terminal || j.is("text")) && !j.is("json") }

func (j *job) printf(english, chinese string, args ...any) {
	fmt.Fprint(j.stdout, j.lang.Say(english, chinese, args...))
}

// printJSON prints for programs.
func (j *job) printJSON(v any) error {
	enc := json.NewEncoder(j.stdout)
	enc.SetEscapeHTML(false)
	if j.terminal {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}
