package gateway

import (
	"context"
	"net/http"
	"net/netip"
)

// HTTP lets tests see how the server is set up.
func (s *Server) HTTP() *http.Server { return s.http }

// Turnstile is what requests pass before they are read.
type Turnstile struct{ *turnstile }

// NewTurnstile makes one with so many places.
func NewTurnstile(places int) Turnstile { return Turnstile{newTurnstile(places)} }

// Turnstile is the gateway's.
func (g *Gateway) Turnstile() Turnstile { return Turnstile{g.turnstile} }

// Pass does work when it is its turn.
func (t Turnstile) Pass(ctx context.Context, work func()) error { return t.pass(ctx, work) }

// Crowded tells whether whoever comes is sent away.
func (t Turnstile) Crowded() bool { return t.crowded() }

// Patterns are those of all routes.
func (g *Gateway) Patterns() []string {
	var all []string
	for _, r := range g.table() {
		all = append(all, r.pattern)
	}
	return all
}

// AddressOf is whose streams are counted together.
func AddressOf(r *http.Request, trusted []netip.Prefix) netip.Prefix { return addressOf(r, trusted) }

// What the tests hold answers against.
const (
	CrowdedAfter      = crowdedAfter
	MaxStanding       = maxStanding
	InternalText      = internalText
	ReadHeaderTimeout = readHeaderTimeout
	BodyTimeout       = bodyTimeout
	WriteTimeout      = writeTimeout
	FileTimeout       = fileTimeout
	InitTimeout       = initTimeout
	KeepAlive         = keepAlive
)
