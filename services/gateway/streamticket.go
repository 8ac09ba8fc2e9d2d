package gateway

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"interlock/services/rail"
)

const (
	// streamTicketLife is how long a stream ticket may be used. A page asks for it and opens its stream in a second; a
	// phone that changes its network in between needs some more.
	streamTicketLife = 30 * time.Second
	// streamTicketsPerViewer bounds the tickets of a viewer that are neither used nor over, on all servers together. It
	// is as many as a viewer has streams on one server by default.
	streamTicketsPerViewer = DefaultMaxStreamsPerViewer
	// streamTicketRetry is how long a client is told to wait while Redis is away.
	streamTicketRetry = time.Second
	// maxStreamTicketBytes is far above a ticket of the longest subject.
	maxStreamTicketBytes = 1 << 10
	// streamTicketParameter is the ticket's name in a URL.
	streamTicketParameter = "streamTicket"
)

// StreamTicketStore keeps the tickets that have not been used, for all servers together.
type StreamTicketStore interface {
	// AddStreamTicket keeps a holder's ticket until a time. It returns false, and keeps nothing, where the holder has as
	// many as allowed that have not ended at `now`.
	AddStreamTicket(ctx context.Context, holder, id string, now, until time.Time, allowed int) (bool, error)
	// TakeStreamTicket takes a ticket away. It returns true at most once for each ticket.
	TakeStreamTicket(ctx context.Context, holder, id string) (bool, error)
}

// StreamTickets lets a browser's EventSource in, which can send no token. A page asks for a ticket with its token, and
// puts the ticket into the URL of one subscription. What a ticket says of its viewer is sealed (AES-256-GCM) with a key
// that all servers share: who can write into the store cannot make one. The store says whether it was used. Where the
// store is away or has lost its data, no ticket is made and none is taken.
type StreamTickets struct {
	seal  cipher.AEAD
	key   []byte
	store StreamTicketStore
	now   func() time.Time
}

// NewStreamTickets makes tickets under a key of 32 bytes. nil for now is time.Now.
func NewStreamTickets(key []byte, store StreamTicketStore, now func() time.Time) (*StreamTickets, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &StreamTickets{seal: seal, key: key, store: store, now: now}, nil
}

// streamTicket is what is sealed in a ticket.
type streamTicket struct {
	ID string `json:"i"`
	// Until is when it can no longer be used, in milliseconds since 1970.
	Until   int64       `json:"u"`
	Subject string      `json:"s"`
	Roles   []rail.Role `json:"r"`
	// Expires is when the viewer's token ends, in milliseconds since 1970; 0 is never.
	Expires int64 `json:"e,omitempty"`
}

// viewer is who the ticket lets in.
func (t *streamTicket) viewer() *rail.Viewer {
	viewer := &rail.Viewer{Subject: t.Subject, Roles: t.Roles}
	if t.Expires != 0 {
		viewer.Expires = time.UnixMilli(t.Expires)
	}
	return viewer
}

// Create makes a ticket for a viewer, and says until when it can be used. An error is OVERLOADED for a viewer with too
// many, and UNAVAILABLE where the store does not answer.
func (t *StreamTickets) Create(ctx context.Context, viewer *rail.Viewer) (string, time.Time, error) {
	now := t.now()
	until := now.Add(streamTicketLife)
	ticket := streamTicket{ID: rand.Text(), Subject: viewer.Subject, Roles: viewer.Roles}
	if !viewer.Expires.IsZero() {
		ticket.Expires = viewer.Expires.UnixMilli()
		if viewer.Expires.Before(until) {
			until = viewer.Expires
		}
	}
	ticket.Until = until.UnixMilli()
	added, err := t.store.AddStreamTicket(ctx, t.holder(viewer.Subject), ticket.ID, now, until, streamTicketsPerViewer)
	if err != nil {
		return "", time.Time{}, &rail.Error{
			Code: rail.Unavailable, Message: "no stream ticket can be made just now", RetryAfter: streamTicketRetry,
			Cause: err,
		}
	}
	if !added {
		return "", time.Time{}, tooManyStreamTickets
	}
	text, err := json.Marshal(ticket)
	if err != nil {
		return "", time.Time{}, err
	}
	return base64.RawURLEncoding.EncodeToString(t.seal.Seal(nil, nil, text, streamTicketPurpose)), until, nil
}

// streamTicketPurpose keeps what else may be sealed with the key apart.
var streamTicketPurpose = []byte("stream ticket")

// open reads a ticket. Its error is UNAUTHENTICATED where no server has made it, or where it is over.
func (t *StreamTickets) open(text string) (*streamTicket, error) {
	if len(text) > maxStreamTicketBytes {
		return nil, invalidStreamTicket
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, invalidStreamTicket
	}
	opened, err := t.seal.Open(nil, nil, sealed, streamTicketPurpose)
	if err != nil {
		return nil, invalidStreamTicket
	}
	var ticket streamTicket
	if err := json.Unmarshal(opened, &ticket); err != nil {
		return nil, invalidStreamTicket
	}
	if t.now().UnixMilli() >= ticket.Until {
		return nil, streamTicketOver
	}
	return &ticket, nil
}

// use uses a ticket up. Its error is UNAUTHENTICATED where it was used before, and UNAVAILABLE where the store does not
// answer: the ticket may still be good then.
func (t *StreamTickets) use(ctx context.Context, ticket *streamTicket) error {
	taken, err := t.store.TakeStreamTicket(ctx, t.holder(ticket.Subject), ticket.ID)
	if err != nil {
		return &rail.Error{
			Code: rail.Unavailable, Message: "no stream ticket can be checked just now", RetryAfter: streamTicketRetry,
			Cause: err,
		}
	}
	if !taken {
		return streamTicketUsed
	}
	return nil
}

// holder names a viewer in the store. The subject of a token may be a person's address.
func (t *StreamTickets) holder(subject string) string {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte("holder " + subject))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// streamTicketIn is the stream ticket in a request's URL; "" is none. Its error is a *statusError.
func streamTicketIn(r *http.Request) (string, error) {
	given := r.URL.Query()[streamTicketParameter]
	switch {
	case len(given) == 0:
		return "", nil
	case len(given) > 1:
		return "", unreadable("%s is given twice", streamTicketParameter)
	case given[0] == "":
		return "", unreadable("the %s is empty", streamTicketParameter)
	case r.Method != http.MethodGet || isWebSocket(r):
		return "", unreadable("a stream ticket is for a GET with Accept: text/event-stream")
	case slices.ContainsFunc(r.Header.Values("Authorization"), func(field string) bool { return field != "" }):
		return "", unreadable("a request has a token or a stream ticket, and not both")
	}
	return given[0], nil
}

// viewerOfStream is whose an event stream is: that of the stream ticket, where there is one. Call use before the stream
// begins. The errors are those of StreamTickets.
func (g *Gateway) viewerOfStream(ctx context.Context, ticket string) (_ *rail.Viewer, use func() error, err error) {
	if ticket == "" {
		return rail.ViewerFrom(ctx), func() error { return nil }, nil
	}
	if g.options.StreamTickets == nil {
		return nil, nil, invalidStreamTicket
	}
	opened, err := g.options.StreamTickets.open(ticket)
	if err != nil {
		return nil, nil, err
	}
	return opened.viewer(), func() error { return g.options.StreamTickets.use(ctx, opened) }, nil
}
