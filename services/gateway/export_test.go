package gateway

import (
	"context"
	"net/http"
	"net/netip"

	"golang.org/x/time/rate"
)

// HTTP lets tests see how the server is set up.
func (s *Server) HTTP() *http.Server { return s.http }

// Limiter bounds how many requests are read at a time.
type Limiter struct{ *limiter }

// NewLimiter makes one of so many at a time.
func NewLimiter(places int) Limiter { return Limiter{newLimiter(places)} }

// Limiter is the gateway's.
func (g *Gateway) Limiter() Limiter { return Limiter{g.limiter} }

// Do runs work in its turn.
func (l Limiter) Do(ctx context.Context, work func()) error { return l.do(ctx, work) }

// Overloaded tells whether new requests are refused.
func (l Limiter) Overloaded() bool { return l.overloaded() }

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

// AcceptanceOf is the media type of a JSON answer, "" for none, and whether events are accepted.
func AcceptanceOf(header http.Header) (json string, events bool) {
	accepted := acceptanceOf(header)
	return accepted.json, accepted.events
}

// Compression compresses answers.
type Compression struct{ *compression }

// Compression is the gateway's.
func (g *Gateway) Compression() Compression { return Compression{g.compression} }

// Compress compresses a body as Accept-Encoding asks for.
func (c Compression) Compress(accept string, body []byte) (sent []byte, coding string) {
	return c.compress(http.Header{"Accept-Encoding": {accept}}, body)
}

// Enter takes a place, and Leave gives it back.
func (c Compression) Enter() { c.places <- struct{}{} }

// Leave gives a place back.
func (c Compression) Leave() { <-c.places }

// Places are the places for large responses.
type Places struct{ *places }

// NewPlaces makes the places of one tier, which every response needs.
func NewPlaces(many int, waiting, unsent int64) Places {
	return Places{newPlaces([]tier{{places: many, waiting: waiting, unsent: unsent}})}
}

// NewPacedPlaces makes the places of one tier, whose responses get so many values in a second.
func NewPacedPlaces(perSecond int) Places {
	return Places{newPlaces([]tier{{perSecond: perSecond}})}
}

// Pace waits for values.
func (p Places) Pace(ctx context.Context, values int64) error { return p.pace(ctx, 0, values) }

// Places are the gateway's.
func (g *Gateway) Places() Places { return Places{g.places} }

// Enter takes a place of the first tier.
func (p Places) Enter(ctx context.Context) error { return p.EnterTier(ctx, 0) }

// EnterTier takes a place.
func (p Places) EnterTier(ctx context.Context, tier int) error { return p.enter(ctx, tier) }

// Leave gives it back.
func (p Places) Leave() { p.leave(0) }

// Made counts what waits for a reader.
func (p Places) Made(bytes int) (sent func()) { return p.made(bytes) }

// Unsent is how many bytes wait for readers.
func (p Places) Unsent() int64 { return p.unsent.Load() }

// Tiers are the tiers of a gateway with default options.
var Tiers = tiersOf(DefaultMaxReading)

// Beyond is the size from which on a place is needed, and Many how many there are.
func (t tier) Beyond() int { return int(t.beyond) }

// Many is how many places there are.
func (t tier) Many() int { return t.places }

// PerSecond is how many values the responses of a tier get in a second.
func (t tier) PerSecond() int { return t.perSecond }

// SetPace gives the responses of a tier so many values in a second.
func (p Places) SetPace(tier, perSecond int) {
	p.tiers[tier].pace.SetLimit(rate.Limit(perSecond))
}

// The limits and texts that tests compare with.
const (
	OverloadedAfter   = overloadedAfter
	MaxPlaceWait      = maxPlaceWait
	MaxLimiterWait    = maxLimiterWait
	InternalText      = internalText
	ReadHeaderTimeout = readHeaderTimeout
	BodyTimeout       = bodyTimeout
	WriteTimeout      = writeTimeout
	FileTimeout       = fileTimeout
	InitTimeout       = initTimeout
	KeepAlive         = keepAlive
	StreamTicketLife  = streamTicketLife

	StreamTicketsPerViewer = streamTicketsPerViewer
)
