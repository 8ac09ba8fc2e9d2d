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
	// rememberedTokens is how many checked tokens are kept: more than a rush has buyers. Were it less, buyers in turn
	// would each find their token forgotten. The digest of a token is kept, so all take some 5 MB, however long the
	// tokens are.
	rememberedTokens = 20_000
	// rememberedFor is how long a token is taken without another check of its signature. A key that its issuer took
	// back is taken for so much longer.
	rememberedFor = time.Minute
)

// Remembered checks the signature of a token once a minute. A phone sends the same token with every request, and a
// check costs as much as reading the request. Refusals are not remembered.
type Remembered struct {
	verifier Verifier
	now      func() time.Time
	known    *lru.Cache[[sha256.Size]byte, remembered]
}

type remembered struct {
	viewer *rail.Viewer
	until  time.Time
}

// Remember puts a memory before a verifier that has the same clock.
func Remember(verifier Verifier, now func() time.Time) (*Remembered, error) {
	known, err := lru.New[[sha256.Size]byte, remembered](rememberedTokens)
	if err != nil {
		return nil, fmt.Errorf("remembering tokens: %w", err)
	}
	return &Remembered{verifier: verifier, now: now, known: known}, nil
}

// Verify implements Verifier. The viewer is shared, and must not be changed.
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
