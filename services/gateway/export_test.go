package gateway

import (
	"context"
	"net/http"
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

// What the tests hold answers against.
const (
	CrowdedAfter      = crowdedAfter
	MaxStanding       = maxStanding
	InternalText      = internalText
	ReadHeaderTimeout = readHeaderTimeout
	BodyTimeout       = bodyTimeout
	WriteTimeout      = writeTimeout
	InitTimeout       = initTimeout
	KeepAlive         = keepAlive
)
