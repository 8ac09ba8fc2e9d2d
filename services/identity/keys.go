package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// fetchTimeout bounds one request to the issuer; a buyer waits for it at most once per new key.
	fetchTimeout = 5 * time.Second
	// maxDocumentBytes is a hundred times what issuers publish.
	maxDocumentBytes = 1 << 20
	// keysInterval is the least time between two requests for keys. Anybody can name an unknown key in a forged token;
	// without the interval each of them would be a request to the issuer.
	keysInterval = 10 * time.Second
	// keysRetry is the same after a request that failed.
	keysRetry = 2 * time.Second
	// keysFresh is how long keys are used without asking again: so long does a key live on that its issuer took back.
	keysFresh = time.Hour
	// keysUsable is how long they are used when the issuer does not answer: longer than an outage, shorter than a key's
	// life.
	keysUsable = 24 * time.Hour
)

// errTooSoon says that keys were asked for a moment ago, and that there was no such key then.
var errTooSoon = errors.New("the keys were read a moment ago")

// keyNote carries out of a verification why the keys could not be read.
type keyNote struct{ unavailable error }

type keyNoteKey struct{}

// keys are the published keys of an issuer; an oidc.KeySet.
type keys struct {
	url    string
	client *http.Client
	now    func() time.Time
	gate   *gate

	mu     sync.Mutex
	fresh  *oidc.RemoteKeySet
	born   time.Time
	old    *oidc.RemoteKeySet
	oldEnd time.Time
}

func newKeys(client *http.Client, url string, now func() time.Time) *keys {
	g := &gate{next: client.Transport, now: now}
	gated := *client
	gated.Transport = g
	return &keys{url: url, client: &gated, now: now, gate: g}
}

// VerifySignature implements oidc.KeySet.
func (k *keys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	fresh, old := k.current()
	payload, err := fresh.VerifySignature(ctx, token)
	if err == nil {
		return payload, nil
	}
	down := k.gate.down()
	if down != nil && old != nil {
		if payload, err := old.VerifySignature(ctx, token); err == nil {
			return payload, nil
		}
	}
	if down == nil {
		// Whoever gave up waiting learns no more than that.
		down = ctx.Err()
	}
	if note, ok := ctx.Value(keyNoteKey{}).(*keyNote); ok {
		note.unavailable = down
	}
	return nil, err
}

// current is the set of keys to use, and the one before it while that may still stand in. A key set of the library
// keeps a key until the issuer publishes one it has not seen, so it is thrown away as a whole once it is old.
func (k *keys) current() (fresh, old *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.fresh == nil || now.Sub(k.born) >= keysFresh {
		// What never worked is no stand-in for what does not work now.
		if k.fresh != nil && k.gate.worked(k.born) {
			k.old, k.oldEnd = k.fresh, k.born.Add(keysUsable)
		}
		k.fresh = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), k.client), k.url)
		k.born = now
		k.gate.open()
	}
	if k.old != nil && !now.Before(k.oldEnd) {
		k.old = nil
	}
	return k.fresh, k.old
}

// gate lets requests for keys through at most once per interval.
type gate struct {
	next http.RoundTripper
	now  func() time.Time

	mu     sync.Mutex
	last   time.Time
	good   time.Time
	failed error
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.enter(); err != nil {
		return nil, err
	}
	response, err := g.next.RoundTrip(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = err
	if err == nil {
		g.good = g.now()
	}
	return response, err
}

func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, interval := g.now(), keysInterval
	if g.failed != nil {
		interval = keysRetry
	}
	if !g.last.IsZero() && now.Sub(g.last) < interval {
		if g.failed != nil {
			return g.failed
		}
		return errTooSoon
	}
	g.last = now
	return nil
}

// open lets the next request through at once.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = time.Time{}
}

// down is why the last request failed; nil where it did not.
func (g *gate) down() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// worked tells whether a request has succeeded since an instant.
func (g *gate) worked(since time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.good.IsZero() && !g.good.Before(since)
}

// courier fetches small JSON documents: whatever else comes back is an error of the request, so that those who asked
// can tell an issuer in trouble from a token that is wrong.
type courier struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c *courier) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return response, nil
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", r.URL.Redacted(), response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocumentBytes+1))
	if err != nil {
		return nil, err
	}
	var document map[string]json.RawMessage
	if len(body) > maxDocumentBytes || json.Unmarshal(body, &document) != nil {
		return nil, fmt.Errorf("%s answered no JSON document of at most %d bytes", r.URL.Redacted(), maxDocumentBytes)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}
