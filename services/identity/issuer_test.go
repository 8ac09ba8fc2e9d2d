package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"interlock/services/identity"
	"interlock/services/rail"
)

// login is an OpenID Connect issuer whose keys and health a test decides.
type login struct {
	url string
	// down answers 502, hangs answers nothing until the test ends.
	down, hangs atomic.Bool
	asked       atomic.Int64
	released    chan struct{}

	mu    sync.Mutex
	keys  []jwkset.JWKMarshal
	clock time.Time
}

func newLogin(t *testing.T) *login {
	t.Helper()
	l := &login{clock: noon, released: make(chan struct{})}
	listener := httptest.NewServer(http.HandlerFunc(l.answer))
	t.Cleanup(listener.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	t.Cleanup(func() { close(l.released) })
	l.url = listener.URL
	return l
}

func (l *login) answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/keys" {
		l.asked.Add(1)
	}
	if l.hangs.Load() {
		<-l.released
		return
	}
	if l.down.Load() {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var document any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		document = map[string]any{"issuer": l.url, "jwks_uri": l.url + "/keys"}
	case "/keys":
		document = map[string]any{"keys": l.keys}
	}
	_ = json.NewEncoder(w).Encode(document)
}

// publish replaces the issuer's keys.
func (l *login) publish(keys ...jwkset.JWKMarshal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = keys
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

func (l *login) claims(change map[string]any) jwt.MapClaims {
	claims := jwt.MapClaims{"iss": l.url, "aud": "interlock", "sub": "alice", "exp": l.now().Add(48 * time.Hour).Unix()}
	for name, value := range change {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
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

func newEd25519(t *testing.T, id string) signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return signer{key, id, "EdDSA"}
}

func (s signer) public() jwkset.JWKMarshal { return s.used(jwkset.UseSig) }

// used is the public key, published for a use.
func (s signer) used(use jwkset.USE) jwkset.JWKMarshal {
	key, err := jwkset.NewJWKFromKey(s.private.Public(), jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{KID: s.id, ALG: jwkset.ALG(s.alg), USE: use},
	})
	if err != nil {
		panic(err)
	}
	return key.Marshal()
}

func (s signer) sign(claims jwt.MapClaims) string { return s.signAs(claims, nil) }

// signAs signs with headers changed; nil takes one out.
func (s signer) signAs(claims jwt.MapClaims, header map[string]any) string {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(s.alg), claims)
	token.Header["kid"] = s.id
	for name, value := range header {
		if value == nil {
			delete(token.Header, name)
		} else {
			token.Header[name] = value
		}
	}
	text, err := token.SignedString(s.private)
	if err != nil {
		panic(err)
	}
	return text
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

// takenSoon checks that a token is taken once the read in the background has ended.
func takenSoon(t *testing.T, v identity.Verifier, token string) {
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
	roles := map[string]any{
		"realm_access": map[string]any{"roles": []string{"offline_access", "admin"}}, "roles": "PASSENGER",
	}
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
	other, weak, encrypts := newEC(t, "two"), newRSA(t, "weak"), newRSA(t, "encrypts")
	var err error
	weak.private, err = rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	published := jwkset.JWKMarshal{KTY: jwkset.KtyOct, KID: "shared", K: base64.RawURLEncoding.EncodeToString(secret)}
	l.publish(ours.public(), other.public(), published, weak.public(), encrypts.used(jwkset.UseEnc))
	v := l.verifier(t, nil)
	taken(t, v, ours.sign(l.claims(nil)))

	// Tokens that an attacker can make of the public key and the shared secret.
	hmac := func(key []byte, id string) string {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, l.claims(nil))
		if id != "" {
			token.Header["kid"] = id
		}
		text, err := token.SignedString(key)
		require.NoError(t, err)
		return text
	}
	der, err := x509.MarshalPKIXPublicKey(ours.private.Public())
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"one"}`)) + "." +
		strings.Split(ours.sign(l.claims(nil)), ".")[1] + "."
	swapped := newEC(t, "one")

	const (
		invalid  = "the token is not valid"
		noAccess = "the token is not an access token"
		bound    = "the token is bound to a key (DPoP), of which nothing is proven here"
		notYet   = "the token is not valid yet"
		client   = "the token was made for another application (azp)"
	)
	with := func(name string, value any) string { return ours.sign(l.claims(map[string]any{name: value})) }
	typed := func(typ any) string { return ours.signAs(l.claims(nil), map[string]any{"typ": typ}) }
	for name, c := range map[string]struct{ token, message string }{
		"a development secret":       {hmac(secret, ""), invalid},
		"key confusion, the modulus": {hmac(ours.private.Public().(*rsa.PublicKey).N.Bytes(), "one"), invalid},
		"key confusion, PEM":         {hmac(public, "one"), invalid},
		"key confusion, DER":         {hmac(der, ""), invalid},
		"a published secret":         {hmac(secret, "shared"), invalid},
		"alg none":                   {none, invalid},
		"another's key":              {theirs.sign(l.claims(nil)), invalid},
		"another's key, not named":   {theirs.signAs(l.claims(nil), map[string]any{"kid": nil}), invalid},
		"another algorithm's key":    {swapped.sign(l.claims(nil)), invalid},
		"a key of its own in the head": {theirs.signAs(l.claims(nil), map[string]any{
			"jwk": theirs.public(), "kid": "x",
		}), invalid},
		"an unknown key":          {newEC(t, "unknown").sign(l.claims(nil)), invalid},
		"a weak key":              {weak.sign(l.claims(nil)), invalid},
		"a key that encrypts":     {encrypts.sign(l.claims(nil)), invalid},
		"a name that is a number": {ours.signAs(l.claims(nil), map[string]any{"kid": 1}), invalid},
		"critical headers":        {ours.signAs(l.claims(nil), map[string]any{"crit": []string{"exp"}}), invalid},
		"another issuer":          {with("iss", "https://evil.example.com"), invalid},
		"no issuer":               {with("iss", nil), invalid},
		"another audience":        {with("aud", "payroll"), invalid},
		"other audiences":         {with("aud", []string{"payroll", "interlock2"}), invalid},
		"no audience":             {with("aud", nil), invalid},
		"rubbish":                 {"x", invalid},
		"a line break":            {ours.sign(l.claims(nil)) + "\n", invalid},
		"too long":                {strings.Repeat("x", 20_000), "the token is too long"},

		"an ID token by its nonce": {with("nonce", "n"), noAccess},
		"an ID token by at_hash":   {with("at_hash", "h"), noAccess},
		"an ID token by c_hash":    {with("c_hash", "h"), noAccess},
		"Keycloak's ID token":      {with("typ", "ID"), noAccess},
		"Keycloak's refresh token": {with("typ", "Refresh"), noAccess},
		"Cognito's ID token":       {with("token_use", "id"), noAccess},
		"a logout token by its events": {with("events",
			map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), noAccess},
		"a logout token by its head": {typed("logout+jwt"), noAccess},
		"an access token with events": {ours.signAs(l.claims(map[string]any{"events": map[string]any{}}),
			map[string]any{"typ": "at+jwt"}), noAccess},
		"a proof of possession": {typed("dpop+jwt"), noAccess},
		"bound to a key": {
			with("cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), bound,
		},
		"bound to a key, RFC 9068": {ours.signAs(l.claims(map[string]any{"cnf": map[string]any{"jkt": "k"}}),
			map[string]any{"typ": "at+jwt"}), bound},
		"Keycloak's that is bound": {with("typ", "DPoP"), bound},
		"a head with a number":     {typed(5), noAccess},

		"a client that is no name": {with("azp", []string{"web"}), client},
		"two clients":              {ours.sign(l.claims(map[string]any{"azp": "web", "client_id": "app"})), client},

		"expired":              {with("exp", noon.Add(-31*time.Second).Unix()), "the token has expired"},
		"not valid yet":        {with("nbf", noon.Add(31*time.Second).Unix()), notYet},
		"issued in the future": {with("iat", noon.Add(31*time.Second).Unix()), notYet},
		"no expiry":            {with("exp", nil), "the token has no expiry (exp)"},
		"times that are texts": {with("nbf", "noon"), "the token's times are not numbers"},
		"a subject with spaces": {
			with("sub", "a b"), "the token's subject (sub) is not 1 to 128 printable ASCII characters without spaces",
		},
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, c.token, c.message) })
	}
}

func TestIssuer_Takes(t *testing.T) {
	l, ours, ed := newLogin(t), newRSA(t, "one"), newEd25519(t, "two")
	l.publish(ours.public(), ed.public())
	v := l.verifier(t, nil)
	typed := func(typ any, claims map[string]any) string {
		return ours.signAs(l.claims(claims), map[string]any{"typ": typ})
	}
	for name, token := range map[string]string{
		"an access token (RFC 9068)":       typed("at+jwt", map[string]any{"client_id": "web"}),
		"with its whole type":              typed("application/AT+JWT", nil),
		"with no type":                     typed(nil, nil),
		"an access token that has a nonce": typed("at+jwt", map[string]any{"nonce": "n"}),
		"Keycloak's, which once had a nonce": typed("JWT", map[string]any{
			"typ": "Bearer", "nonce": "n", "azp": "web",
		}),
		"Cognito's": typed("JWT", map[string]any{"token_use": "access"}),
		"one that the proxy's TLS is bound to": ours.sign(l.claims(map[string]any{
			"cnf": map[string]any{"x5t#S256": "c"},
		})),
		"EdDSA":                              ed.sign(l.claims(nil)),
		"a token that does not name its key": ours.signAs(l.claims(nil), map[string]any{"kid": nil}),
		"any client, where none is set":      ours.sign(l.claims(map[string]any{"azp": "anything"})),
		"clocks that differ by under 30 s": ours.sign(l.claims(map[string]any{
			"exp": noon.Add(-29 * time.Second).Unix(), "nbf": noon.Add(29 * time.Second).Unix(),
			"iat": noon.Add(29 * time.Second).Unix(),
		})),
	} {
		t.Run(name, func(t *testing.T) { taken(t, v, token) })
	}
}

func TestIssuer_Clients(t *testing.T) {
	l, key := newLogin(t), newRSA(t, "one")
	l.publish(key.public())
	v := l.verifier(t, func(o *identity.IssuerOptions) { o.Clients = []string{"web", "app"} })
	const message = "the token was made for another application (azp)"
	with := func(claims map[string]any) string { return key.sign(l.claims(claims)) }
	taken(t, v, with(map[string]any{"azp": "web"}))
	taken(t, v, with(map[string]any{"client_id": "app"}))
	taken(t, v, with(map[string]any{"azp": "app", "client_id": "app"}))
	refused(t, v, with(map[string]any{"azp": "payroll"}), message)
	refused(t, v, with(map[string]any{"azp": "Web"}), message)
	refused(t, v, with(map[string]any{"client_id": "payroll"}), message)
	refused(t, v, with(map[string]any{"azp": "web", "client_id": "payroll"}), message)
	refused(t, v, with(nil), message)
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
	takenSoon(t, v, token)
}

func TestIssuer_DownLater(t *testing.T) {
	l, old, fresh := newLogin(t), newRSA(t, "old"), newRSA(t, "fresh")
	l.publish(old.public())
	var failures atomic.Int64
	v := l.verifier(t, func(o *identity.IssuerOptions) { o.Failed = func(error) { failures.Add(1) } })
	taken(t, v, old.sign(l.claims(nil)))
	l.publish(old.public(), fresh.public())
	l.down.Store(true)
	l.pass(11 * time.Second)
	taken(t, v, old.sign(l.claims(nil)))
	unavailable(t, v, fresh.sign(l.claims(nil)))
	require.EqualValues(t, 1, failures.Load())
	// So it is when the keys are due to be read again, for as long as an outage may last.
	l.pass(23 * time.Hour)
	taken(t, v, old.sign(l.claims(nil)))
	require.NoError(t, v.Ready(t.Context()))
	l.pass(time.Hour)
	unavailable(t, v, old.sign(l.claims(nil)))
	require.Error(t, v.Ready(t.Context()))
	l.down.Store(false)
	l.pass(3 * time.Second)
	takenSoon(t, v, fresh.sign(l.claims(nil)))
}

// An issuer that hangs is worse than one that refuses: a token whose key is known must not wait for it. The test's
// context ends at once, so that a check which waits fails.
func TestIssuer_HangsLater(t *testing.T) {
	l, key := newLogin(t), newRSA(t, "one")
	l.publish(key.public())
	v := l.verifier(t, func(o *identity.IssuerOptions) { o.KeysURL = l.url + "/keys" })
	taken(t, v, key.sign(l.claims(nil)))
	l.hangs.Store(true)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, hours := range []time.Duration{1, 11, 11} {
		l.pass(hours * time.Hour)
		for range 3 {
			_, err := v.Verify(ended, key.sign(l.claims(nil)))
			require.NoError(t, err)
		}
		require.NoError(t, v.Ready(ended))
	}
	require.Eventually(t, func() bool { return l.asked.Load() == 2 }, 10*time.Second, time.Millisecond,
		"it is asked once, beside")
	// A token with an unknown key waits no longer than its request.
	_, err := v.Verify(ended, newRSA(t, "unknown").sign(l.claims(nil)))
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
	// After a day without an answer keys are no longer used.
	l.pass(2 * time.Hour)
	_, err = v.Verify(ended, key.sign(l.claims(nil)))
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
}

func TestIssuer_HangsAtStart(t *testing.T) {
	l, key := newLogin(t), newRSA(t, "one")
	l.publish(key.public())
	l.hangs.Store(true)
	v := l.verifier(t, nil)
	// Few tokens wait. The others are refused at once.
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	codes := make(chan rail.Code, 2*identity.MaxKeysWaiting)
	for range cap(codes) {
		all.Go(func() {
			_, err := v.Verify(ctx, key.sign(l.claims(nil)))
			codes <- rail.CodeOf(err)
		})
	}
	for range identity.MaxKeysWaiting {
		require.Equal(t, rail.Unavailable, <-codes)
	}
	cancel()
	all.Wait()
	require.LessOrEqual(t, l.asked.Load(), int64(1))
}

func TestIssuer_RotatesKeys(t *testing.T) {
	l, old, fresh, nameless := newLogin(t), newRSA(t, "old"), newRSA(t, "fresh"), newEC(t, "")
	l.publish(old.public())
	v := l.verifier(t, nil)
	taken(t, v, old.sign(l.claims(nil)))
	l.publish(fresh.public())
	l.pass(10 * time.Second)
	taken(t, v, fresh.sign(l.claims(nil)))
	refused(t, v, old.sign(l.claims(nil)), "the token is not valid")
	l.publish(nameless.public())
	l.pass(10 * time.Second)
	taken(t, v, nameless.signAs(l.claims(nil), map[string]any{"kid": nil}))
	require.EqualValues(t, 3, l.asked.Load())
}

func TestIssuer_RotatesUnderLoad(t *testing.T) {
	l, old, fresh := newLogin(t), newRSA(t, "old"), newRSA(t, "fresh")
	l.publish(old.public())
	v := l.verifier(t, nil)
	taken(t, v, old.sign(l.claims(nil)))
	l.publish(old.public(), fresh.public())
	l.pass(10 * time.Second)
	var all sync.WaitGroup
	errs := make(chan error, 100)
	for range cap(errs) {
		all.Go(func() {
			_, err := v.Verify(t.Context(), fresh.sign(l.claims(nil)))
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, l.asked.Load(), "all who came with the new key waited for one request")
}

func TestIssuer_ForgetsKeysTakenBack(t *testing.T) {
	l, key, other := newLogin(t), newRSA(t, "one"), newRSA(t, "two")
	l.publish(key.public(), other.public())
	v := l.verifier(t, nil)
	taken(t, v, key.sign(l.claims(nil)))
	// No token has an unknown key, so only time makes the next check start a read in the background.
	l.publish(other.public())
	l.pass(time.Hour)
	require.Eventually(t, func() bool {
		_, err := v.Verify(t.Context(), key.sign(l.claims(nil)))
		return rail.CodeOf(err) == rail.Unauthenticated
	}, 10*time.Second, time.Millisecond)
	taken(t, v, other.sign(l.claims(nil)))
}

func TestIssuer_AnswersThatAreNone(t *testing.T) {
	l, key := newLogin(t), newRSA(t, "one")
	for name, body := range map[string]string{
		"no JSON":    "<html>",
		"no keys":    `{"keys":[]}`,
		"other keys": `{"keys":[{"kty":"XX","kid":"one"}]}`,
		"a secret":   `{"keys":[{"kty":"oct","kid":"one","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}`,
		"too long":   `{"keys":[` + strings.Repeat(" ", 1<<20) + `]}`,
		"too many":   `{"keys":[` + strings.Repeat(`{"kty":"XX"},`, 101) + `{"kty":"XX"}]}`,
		"a redirect": "",
	} {
		t.Run(name, func(t *testing.T) {
			odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if body == "" {
					http.Redirect(w, r, l.url+"/keys", http.StatusFound)
					return
				}
				_, _ = w.Write([]byte(body))
			}))
			defer odd.Close()
			l.publish(key.public())
			v := l.verifier(t, func(o *identity.IssuerOptions) { o.KeysURL = odd.URL })
			unavailable(t, v, key.sign(l.claims(nil)))
		})
	}
	// A document that speaks of another issuer.
	lying := httptest.NewServer(http.HandlerFunc(l.answer))
	defer lying.Close()
	v := l.verifier(t, func(o *identity.IssuerOptions) { o.Issuer = lying.URL })
	unavailable(t, v, key.sign(l.claims(map[string]any{"iss": lying.URL})))
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
		"no issuer":         func(o *identity.IssuerOptions) { o.Issuer = "" },
		"not a URL":         func(o *identity.IssuerOptions) { o.Issuer = "login" },
		"plain http":        func(o *identity.IssuerOptions) { o.Issuer = "http://login.example.com" },
		"a password":        func(o *identity.IssuerOptions) { o.Issuer = "https://u:p@login.example.com" },
		"no audience":       func(o *identity.IssuerOptions) { o.Audience = "" },
		"plain http keys":   func(o *identity.IssuerOptions) { o.KeysURL = "http://login.example.com/keys" },
		"a nameless client": func(o *identity.IssuerOptions) { o.Clients = []string{""} },
		"leeway below 0":    func(o *identity.IssuerOptions) { o.Leeway = -1 },
		"leeway too long":   func(o *identity.IssuerOptions) { o.Leeway = time.Hour },
	} {
		o := good
		change(&o)
		_, err := identity.NewIssuer(o)
		require.Error(t, err, name)
	}
}
