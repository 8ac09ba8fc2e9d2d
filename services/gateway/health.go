package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"golang.org/x/sync/singleflight"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

// Check is one thing that must be right before a server takes requests.
type Check struct {
	// Name is a word for a probe's reader: "ledger", "timetable".
	Name string
	// Ready returns how the thing is, or an error. The text of a *rail.Error is public; that of any other error goes to
	// the log.
	Ready func(ctx context.Context) (message string, err error)
}

// checks answers /readyz.
type checks struct {
	list       []Check
	durability string
	version    Version
	log        *slog.Logger
	// one run of the checks serves all requests that come meanwhile: /readyz is public.
	one singleflight.Group

	// failures are of the checks, by their names.
	failures map[string]*logonce.Failure

	mu       sync.Mutex
	draining bool
}

func newChecks(list []Check, durability string, version Version, log *slog.Logger) *checks {
	failures := make(map[string]*logonce.Failure, len(list))
	for _, check := range list {
		failures[check.Name] = logonce.Warn("not ready", "ready again")
	}
	return &checks{list: list, durability: durability, version: version, log: log, failures: failures}
}

// Readiness serves /readyz for a program that has no Gateway, as a Gateway does.
func Readiness(list []Check, durability string, version Version, log *slog.Logger) http.Handler {
	return newChecks(list, durability, version, log)
}

// drain makes the server unready for good.
func (c *checks) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
}

type readiness struct {
	Ready      bool          `json:"ready"`
	Durability string        `json:"durability,omitempty"`
	Version    string        `json:"version,omitempty"`
	Checks     []checkResult `json:"checks"`
}

type checkResult struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"`
}

// ServeHTTP implements http.Handler.
func (c *checks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// All these requests share the run, so it does not end with the one that started it.
	answer, _, _ := c.one.Do("", func() (any, error) { return c.run(context.WithoutCancel(r.Context())), nil })
	now := answer.(readiness)
	status := http.StatusOK
	if !now.Ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error can only mean that the client is gone.
	_ = json.NewEncoder(w).Encode(now)
}

func (c *checks) run(ctx context.Context) readiness {
	now := readiness{
		Ready: true, Durability: c.durability, Version: c.version.Version, Checks: make([]checkResult, len(c.list)),
	}
	var all sync.WaitGroup
	for i, check := range c.list {
		all.Go(func() { now.Checks[i] = c.ask(ctx, check) })
	}
	all.Wait()
	c.mu.Lock()
	if c.draining {
		now.Checks = append(now.Checks, checkResult{Name: "draining", Message: "the server is going away"})
	}
	c.mu.Unlock()
	for _, each := range now.Checks {
		now.Ready = now.Ready && each.OK
	}
	return now
}

// ask runs one check. It logs when the check begins to fail, and when it passes again.
func (c *checks) ask(ctx context.Context, check Check) checkResult {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	message, err := callCheck(ctx, check)
	c.failures[check.Name].Note(ctx, c.log, err, "check", check.Name)
	if err == nil {
		return checkResult{check.Name, true, message}
	}
	var known *rail.Error
	switch {
	case errors.As(err, &known):
		message = known.Message
	case errors.Is(err, context.DeadlineExceeded):
		message = fmt.Sprintf("no answer within %s", checkTimeout)
	default:
		message = "failed; the server's log says why"
	}
	return checkResult{check.Name, false, message}
}

// callCheck calls a check, and returns its panic as an error, so that the server lives on.
func callCheck(ctx context.Context, check Check) (message string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the check panicked: %v", cause)
		}
	}()
	return check.Ready(ctx)
}
