package identity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"interlock/services/rail"
)

const (
	// rememberedTokens is how many checked tokens are kept: more than a rush's buyers, since whoever comes in turn to a
	// memory that is too small finds nothing in it. Of a token its digest is kept, so that it is some 5 MB however long
	// they are.
	rememberedTokens = 20_000
	// rememberedFor is how long a token is taken without another look at its signature. A key that its issuer has taken
	// back lives on for so much longer.
	rememberedFor = time.Minute
)

// Remembered checks a token's signature once a minute: a phone sends the same token with every request, and checking it
// costs as much as reading the request. What was refused is not remembered.
type Remembered struct {
	verifier Verifier
	now      func() time.Time
	known    *lru.Cache[[sha256.Size]byte, remembered]
}

type remembered struct {
	viewer *rail.Viewer
	until  time.Time
}

// Remember puts a memory before a verifier, which goes by the same clock.
func Remember(verifier Verifier, now func() time.Time) (*Remembered, error) {
	known, err := lru.New[[sha256.Size]byte, remembered](rememberedTokens)
	if err != nil {
		return nil, fmt.Errorf("remembering tokens: %w", err)
	}
	return &Remembered{verifier: verifier, now: now, known: known}, nil
}

// Verify implements Verifier. The viewer is shared: nobody may change it.
func (r *Remembered) Verify(ctx context.Context, token string) (*rail.Viewer, error) {
	now, digest := r.now(), sha256.Sum256([]byte(token))
	if known, ok := r.known.Get(digest); ok && now.Before(known.until) {
		return known.viewer, nil
	}
	viewer, err := r.verifier.Verify(ctx, token)
	if err != nil {
		r.known.Remove(digest)
		return nil, err
	}
	until := now.Add(rememberedFor)
	if viewer.Expires.Before(until) {
		until = viewer.Expires
	}
	r.known.Add(digest, remembered{viewer, until})
	return viewer, nil
}
