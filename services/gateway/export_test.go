package gateway

import "net/http"

// HTTP lets tests see how the server is set up.
func (s *Server) HTTP() *http.Server { return s.http }

// Turnstile is what requests pass before they are read.
type Turnstile struct{ *turnstile }

// NewTurnstile makes one with so many places.
func NewTurnstile(places int) Turnstile {
	return Turnstile{&turnstile{places: make(chan struct{}, places)}}
}

// Pass does work when it is its turn.
func (t Turnstile) Pass(work func()) { t.pass(work) }

// Crowded tells whether whoever comes is sent away.
func (t Turnstile) Crowded() bool { return t.crowded() }

// What the tests hold answers against.
const (
	MaxLine           = maxLine
	InternalText      = internalText
	ReadHeaderTimeout = readHeaderTimeout
	BodyTimeout       = bodyTimeout
	WriteTimeout      = writeTimeout
	InitTimeout       = initTimeout
	KeepAlive         = keepAlive
)
