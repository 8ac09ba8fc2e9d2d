package identity

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
)

const (
	// fetchTimeout bounds one request to the issuer.
	fetchTimeout = 5 * time.Second
	// keysWait is how long a token waits for keys: long for an issuer that answers, and short for a phone.
	keysWait = 2 * time.Second
	// maxKeysWaiting bounds the tokens that wait at a time. A forged token can name an unknown key, and each such token
	// keeps a request open while the issuer hangs.
	maxKeysWaiting = 256
	// maxDocumentBytes is a hundred times what issuers publish.
	maxDocumentBytes = 1 << 20
	// maxKeys is ten times what issuers publish. A token that names no key is tried with each.
	maxKeys = 100
	// keysInterval is the least time between two requests for keys. Without it, each forged token with an unknown key
	// would be a request to the issuer.
	keysInterval = 10 * time.Second
	// keysRetry is the same while there are no keys at all. It spares an issuer that starts, and is short once the
	// issuer is there.
	keysRetry = 2 * time.Second
	// keysFresh is how long keys are used without asking again.
	keysFresh = time.Hour
	// keysUsable is how long keys are used while the issuer does not answer: longer than an outage, shorter than a
	// key's life. It also bounds how long a key is taken that its issuer took back.
	keysUsable = 24 * time.Hour
	// minRSABits is the least that RFC 7518 (3.3) allows.
	minRSABits = 2048
)

var (
	errNoKeys   = errors.New("the issuer has published no key that signs tokens")
	errTooMany  = errors.New("too many tokens wait for the issuer's keys")
	errTookLong = errors.New("the issuer's keys did not come in time")
)

// keySet is what an issuer had published at one moment.
type keySet struct {
	keyfunc.Keyfunc
	read time.Time
}

// keys are the published keys of an issuer. Known keys are used at once: when they grow old, they are read again in the
// background. A token waits only where it cannot be checked without newer keys. One read is under way at a time, and it
// does not end with the request that started it.
type keys struct {
	read   func(ctx context.Context) ([]jwkset.JWK, error)
	now    func() time.Time
	failed func(error)

	mu      sync.Mutex
	set     *keySet
	asked   time.Time
	err     error
	reading chan struct{} // closed when the read under way has ended; nil when none is
	waiting int
}

// known returns the keys that may be used now. It waits for the issuer only where there are none, and returns an error
// where none come.
func (k *keys) known(ctx context.Context) (*keySet, error) {
	k.mu.Lock()
	set := k.usable()
	if set != nil {
		if k.now().Sub(set.read) >= keysFresh {
			k.start()
		}
		k.mu.Unlock()
		return set, nil
	}
	k.start()
	return k.await(ctx)
}

// newer returns keys that were read after those of set. It returns set itself where the issuer was asked a moment ago
// and has nothing newer, and an error where the issuer does not say.
func (k *keys) newer(ctx context.Context, set *keySet) (*keySet, error) {
	k.mu.Lock()
	if now := k.usable(); now != nil && now != set {
		k.mu.Unlock()
		return now, nil
	}
	k.start()
	return k.await(ctx)
}

// await waits for the read under way, if there is one, and returns the keys that are known then. The caller has locked
// mu; await unlocks it.
func (k *keys) await(ctx context.Context) (*keySet, error) {
	defer k.mu.Unlock()
	if done := k.reading; done != nil {
		if k.waiting >= maxKeysWaiting {
			return nil, errTooMany
		}
		k.waiting++
		k.mu.Unlock()
		err := within(ctx, done)
		k.mu.Lock()
		k.waiting--
		if err != nil {
			return nil, err
		}
	}
	if k.err != nil {
		return nil, k.err
	}
	return k.set, nil
}

func within(ctx context.Context, done <-chan struct{}) error {
	timer := time.NewTimer(keysWait)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return errTookLong
	case <-ctx.Done():
		return ctx.Err()
	}
}

// usable is the set of keys while it may be used; nil where there is none. The caller has locked mu.
func (k *keys) usable() *keySet {
	if k.set != nil && k.now().Sub(k.set.read) < keysUsable {
		return k.set
	}
	return nil
}

// start begins a read, unless one is under way or ended a moment ago. The caller has locked mu.
func (k *keys) start() {
	interval := keysInterval
	if k.usable() == nil {
		interval = keysRetry
	}
	if k.reading != nil || !k.asked.IsZero() && k.now().Sub(k.asked) < interval {
		return
	}
	k.asked, k.reading = k.now(), make(chan struct{})
	go k.ask(k.reading)
}

func (k *keys) ask(done chan struct{}) {
	defer close(done)
	began := k.now()
	set, err := k.fetch()
	k.mu.Lock()
	k.reading, k.err = nil, err
	if err == nil {
		set.read = began
		k.set = set
	}
	k.mu.Unlock()
	if err != nil {
		k.failed(err)
	}
}

func (k *keys) fetch() (*keySet, error) {
	// There may be two requests: one for the discovery document, and one for the keys.
	ctx, cancel := context.WithTimeout(context.Background(), 2*fetchTimeout)
	defer cancel()
	published, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	store := jwkset.NewMemoryStorage()
	if err := store.KeyReplaceAll(ctx, published); err != nil {
		return nil, err
	}
	found, err := keyfunc.New(keyfunc.Options{Storage: store, UseWhitelist: []jwkset.USE{jwkset.UseSig, ""}})
	if err != nil {
		return nil, err
	}
	return &keySet{Keyfunc: found}, nil
}

// parseKeys reads a JWK Set. It leaves out keys that it does not understand (RFC 7517, 5), and keys that are too weak:
// an issuer serves others too.
func parseKeys(document []byte) ([]jwkset.JWK, error) {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("the issuer's keys are no JWK Set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the issuer publishes %d keys, more than %d", len(set.Keys), maxKeys)
	}
	var usable []jwkset.JWK
	for _, one := range set.Keys {
		// Certificates are for other ways to trust a key: this one is trusted for the address it came from. A wrong
		// thumbprint of a certificate must not take its key away.
		one.X5C, one.X5T, one.X5TS256, one.X5U = nil, "", "", ""
		// A shared secret (oct) is refused here: a published secret is none.
		key, err := jwkset.NewJWKFromMarshal(one, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		if public, ok := key.Key().(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
			continue
		}
		usable = append(usable, key)
	}
	if len(usable) == 0 {
		return nil, errNoKeys
	}
	return usable, nil
}

// document fetches a small JSON document.
func document(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocumentBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if len(body) > maxDocumentBytes {
		return nil, fmt.Errorf("%s answered more than %d bytes", url, maxDocumentBytes)
	}
	return body, nil
}
