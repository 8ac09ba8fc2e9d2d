package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"interlock/services/identity"
	"interlock/services/rail"
)

// login is an OpenID Connect issuer whose keys and health a test decides.
type login struct {
	url    string
	down   atomic.Bool
	asked  atomic.Int64
	server *oidctest.Server
	mu     sync.Mutex
	clock  time.Time
}

func newLogin(t *testing.T) *login {
	t.Helper()
	l := &login{server: &oidctest.Server{}, clock: noon}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			l.asked.Add(1)
		}
		if l.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.server.ServeHTTP(w, r)
	}))
	t.Cleanup(listener.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	l.url = listener.URL
	l.server.SetIssuer(l.url)
	return l
}

// publish replaces the issuer's keys.
func (l *login) publish(keys ...oidctest.PublicKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server.PublicKeys = keys
}

func (l *login) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock
}

func (l *login) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock = l.clock.Add(d)
}

func (l *login) claims(change map[string]any) string {
	claims := map[string]any{"iss": l.url, "aud": "interlock", "sub": "alice", "exp": l.now().Add(48 * time.Hour).Unix()}
	for name, value := range change {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (l *login) verifier(t *testing.T, change func(*identity.IssuerOptions)) *identity.Issuer {
	t.Helper()
	o := identity.IssuerOptions{Issuer: l.url, Audience: "interlock", Now: l.now}
	if change != nil {
		change(&o)
	}
	v, err := identity.NewIssuer(o)
	require.NoError(t, err)
	return v
}

type signer struct {
	private crypto.Signer
	id, alg string
}

func newRSA(t *testing.T, id string) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return signer{key, id, "RS256"}
}

func newEC(t *testing.T, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return signer{key, id, "ES256"}
}

func (s signer) public() oidctest.PublicKey {
	return oidctest.PublicKey{PublicKey: s.private.Public(), KeyID: s.id, Algorithm: s.alg}
}

func (s signer) sign(claims string) string {
	return oidctest.SignIDToken(s.private, s.id, s.alg, claims)
}

func unavailable(t *testing.T, v identity.Verifier, token string) {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
	var known *rail.Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, rail.Unavailable, known.Code)
	require.Positive(t, known.RetryAfter)
	require.NotContains(t, known.Message, "127.0.0.1")
}

func taken(t *testing.T, v identity.Verifier, token string) *rail.Viewer {
	t.Helper()
	viewer, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	return viewer
}

// takenAgain is taken after a failure: the library answers those who wait for keys a moment before it forgets that it
// asked, and who comes in that moment gets the old answer.
func takenAgain(t *testing.T, v identity.Verifier, token string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := v.Verify(t.Context(), token)
		return err == nil
	}, 10*time.Second, time.Millisecond)
}

func TestIssuer_DiscoversAndVerifies(t *testing.T) {
	l, one, two := newLogin(t), newRSA(t, "one"), newEC(t, "two")
	l.publish(one.public(), two.public())
	v := l.verifier(t, func(o *identity.IssuerOptions) { o.RolesClaim = "realm_access.roles" })
	roles := map[string]any{"realm_access": map[string]any{"roles": []string{"offline_access", "admin"}}, "roles": "PASSENGER"}
	viewer := taken(t, v, one.sign(l.claims(roles)))
	require.Equal(t, "alice", viewer.Subject)
	require.Equal(t, []rail.Role{rail.RoleAdmin}, viewer.Roles)
	taken(t, v, two.sign(l.claims(map[string]any{"aud": []string{"other", "interlock"}})))
	require.EqualValues(t, 1, l.asked.Load(), "the keys are kept")
	require.NoError(t, v.Ready(t.Context()))

	dotted := l.verifier(t, func(o *identity.IssuerOptions) {
		o.RolesClaim = "https://example.com/roles"
		o.KeysURL = l.url + "/keys"
	})
	viewer = taken(t, dotted, one.sign(l.claims(map[string]any{"https://example.com/roles": "ADMIN"})))
	require.Equal(t, []rail.Role{rail.RoleAdmin}, viewer.Roles, "a claim's own name may have dots")
}

func TestIssuer_Refuses(t *testing.T) {
	l, ours, theirs := newLogin(t), newRSA(t, "one"), newRSA(t, "one")
	l.publish(ours.public(), oidctest.PublicKey{PublicKey: secret})
	v := l.verifier(t, nil)
	taken(t, v, ours.sign(l.claims(nil)))

	// What anybody can make of the public key and the shared secret.
	claims := jwt.MapClaims{"iss": l.url, "aud": "interlock", "sub": "alice", "exp": noon.Add(time.Hour).Unix()}
	hs, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	require.NoError(t, err)
	public := ours.private.Public().(*rsa.PublicKey)
	confused, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(public.N.Bytes())
	require.NoError(t, err)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(l.claims(nil))) + "."

	// An issuer that publishes a shared secret has none, and anybody can sign with it.
	shared, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	require.NoError(t, err)

	const invalid = "the token is not valid"
	for name, c := range map[string]struct{ token, message string }{
		"a development secret": {hs, invalid},
		"key confusion":        {confused, invalid},
		"a published secret":   {shared, invalid},
		"alg none":             {none, invalid},
		"another's key":        {theirs.sign(l.claims(nil)), invalid},
		"an unknown key":       {newEC(t, "unknown").sign(l.claims(nil)), invalid},
		"another issuer":       {ours.sign(l.claims(map[string]any{"iss": "https://evil.example.com"})), invalid},
		"another audience":     {ours.sign(l.claims(map[string]any{"aud": "payroll"})), invalid},
		"no audience":          {ours.sign(l.claims(map[string]any{"aud": nil})), invalid},
		"rubbish":              {"x", invalid},
		"a line break":         {ours.sign(l.claims(nil)) + "\n", invalid},
		"too long":             {strings.Repeat("x", 20_000), "the token is too long"},
		"expired":              {ours.sign(l.claims(map[string]any{"exp": noon.Add(-31 * time.Second).Unix()})), "the token has expired"},
		"not valid yet":        {ours.sign(l.claims(map[string]any{"nbf": noon.Add(31 * time.Second).Unix()})), "the token is not valid yet"},
		"no expiry":            {ours.sign(l.claims(map[string]any{"exp": nil})), "the token has no expiry (exp)"},
		"subject with a space": {ours.sign(l.claims(map[string]any{"sub": "a b"})), "the token's subject (sub) is not 1 to 128 printable ASCII characters without spaces"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, c.token, c.message) })
	}
	// Clocks may differ a little.
	taken(t, v, ours.sign(l.claims(map[string]any{"exp": noon.Add(-29 * time.Second).Unix(), "nbf": noon.Add(29 * time.Second).Unix()})))
}

func TestIssuer_DownAtStart(t *testing.T) {
	l, key := newLogin(t), newRSA(t, "one")
	l.publish(key.public())
	l.down.Store(true)
	v := l.verifier(t, nil)
	token := key.sign(l.claims(nil))
	unavailable(t, v, token)
	require.Error(t, v.Ready(t.Context()))
	l.down.Store(false)
	unavailable(t, v, token)
	l.pass(2 * time.Second)
	takenAgain(t, v, token)
}

func TestIssuer_DownLater(t *testing.T) {
	l, old, fresh := newLogin(t), newRSA(t, "old"), newRSA(t, "fresh")
	l.publish(old.public())
	v := l.verifier(t, nil)
	taken(t, v, old.sign(l.claims(nil)))
	l.publish(old.public(), fresh.public())
	l.down.Store(true)
	l.pass(11 * time.Second)
	taken(t, v, old.sign(l.claims(nil)))
	unavailable(t, v, fresh.sign(l.claims(nil)))
	// Also when the keys are old and due to be read again, for as long as an outage may last.
	l.pass(2 * time.Hour)
	taken(t, v, old.sign(l.claims(nil)))
	taken(t, v, old.sign(l.claims(nil)))
	l.pass(23 * time.Hour)
	unavailable(t, v, old.sign(l.claims(nil)))
	l.down.Store(false)
	l.pass(3 * time.Second)
	takenAgain(t, v, fresh.sign(l.claims(nil)))
}

func TestIssuer_RotatesKeys(t *testing.T) {
	l, old, fresh := newLogin(t), newRSA(t, "old"), newRSA(t, "fresh")
	l.publish(old.public())
	v := l.verifier(t, nil)
	taken(t, v, old.sign(l.claims(nil)))
	l.publish(fresh.public())
	l.pass(10 * time.Second)
	taken(t, v, fresh.sign(l.claims(nil)))
	// The library answers those who wait for new keys a moment before it stores them.
	require.Eventually(t, func() bool {
		_, err := v.Verify(t.Context(), old.sign(l.claims(nil)))
		return rail.CodeOf(err) == rail.Unauthenticated
	}, 10*time.Second, time.Millisecond)
}

func TestIssuer_ForgetsKeysTakenBack(t *testing.T) {
	l, key, other := newLogin(t), newRSA(t, "one"), newRSA(t, "two")
	l.publish(key.public(), other.public())
	v := l.verifier(t, nil)
	taken(t, v, key.sign(l.claims(nil)))
	// Nobody comes with a new key, so nothing but time makes the issuer be asked again.
	l.publish(other.public())
	l.pass(time.Hour)
	refused(t, v, key.sign(l.claims(nil)), "the token is not valid")
	taken(t, v, other.sign(l.claims(nil)))
}

func TestIssuer_ForgedTokensDoNotHammerTheIssuer(t *testing.T) {
	l, key := newLogin(t), newRSA(t, "one")
	l.publish(key.public())
	v := l.verifier(t, nil)
	taken(t, v, key.sign(l.claims(nil)))
	forged := newEC(t, "made up").sign(l.claims(nil))
	for range 100 {
		refused(t, v, forged, "the token is not valid")
	}
	l.pass(10 * time.Second)
	for range 100 {
		refused(t, v, forged, "the token is not valid")
	}
	require.EqualValues(t, 2, l.asked.Load())
}

func TestIssuer_WaitIsTheCallersToEnd(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hanging.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	t.Cleanup(func() { close(release) })
	v, err := identity.NewIssuer(identity.IssuerOptions{Issuer: hanging.URL, Audience: "interlock"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.Verify(ctx, "x")
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
}

func TestNewIssuer_Refuses(t *testing.T) {
	good := identity.IssuerOptions{Issuer: "https://login.example.com", Audience: "interlock"}
	_, err := identity.NewIssuer(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*identity.IssuerOptions){
		"no issuer":       func(o *identity.IssuerOptions) { o.Issuer = "" },
		"not a URL":       func(o *identity.IssuerOptions) { o.Issuer = "login" },
		"plain http":      func(o *identity.IssuerOptions) { o.Issuer = "http://login.example.com" },
		"a password":      func(o *identity.IssuerOptions) { o.Issuer = "https://u:p@login.example.com" },
		"no audience":     func(o *identity.IssuerOptions) { o.Audience = "" },
		"plain http keys": func(o *identity.IssuerOptions) { o.KeysURL = "http://login.example.com/keys" },
		"leeway below 0":  func(o *identity.IssuerOptions) { o.Leeway = -1 },
		"leeway too long": func(o *identity.IssuerOptions) { o.Leeway = time.Hour },
	} {
		o := good
		change(&o)
		_, err := identity.NewIssuer(o)
		require.Error(t, err, name)
	}
}
