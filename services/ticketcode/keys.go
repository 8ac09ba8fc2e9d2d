package ticketcode

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// Why a code is refused. An error of Check is one of them, with more words where there is more to say.
var (
	// ErrMalformed says that a text is not a code: it was typed or scanned wrongly, or is of another format.
	ErrMalformed = errors.New("this is not a ticket code")
	// ErrUnknownKey says that the keys at hand do not have the code's.
	ErrUnknownKey = errors.New("the code was signed with an unknown key")
	// ErrForged says that the signature is not that of the content: the code was changed, or was never signed.
	ErrForged = errors.New("the code is forged")
)

// MaxKeys is more than are in use at a time: the key that signs, and those of tickets whose runs are not past.
const MaxKeys = 16

// ID names a key. It is derived from the public key, so that two keys cannot get one id by mistake.
type ID [idBytes]byte

// String is the id in hexadecimal, eight digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// idOf is the id of a public key.
func idOf(public ed25519.PublicKey) (id ID) {
	sum := sha256.Sum256(public)
	copy(id[:], sum[:])
	return id
}

// Signer signs tickets with one key. It is immutable and safe for concurrent use.
type Signer struct {
	id  ID
	key ed25519.PrivateKey
}

// NewSigner makes the signer of a key.
func NewSigner(key ed25519.PrivateKey) *Signer { return &Signer{idOf(publicOf(key)), key} }

// ID is the id of the key.
func (s *Signer) ID() ID { return s.id }

// Sign is the code of a ticket: letters from A to Z, about 200 of them. Times that are not whole minutes are rounded so
// that the ticket is valid no shorter. One ticket and key always have the same code. The error says what is wrong with
// the ticket.
func (s *Signer) Sign(t Ticket) (string, error) {
	t = t.normalize()
	if err := t.validate(); err != nil {
		return "", fmt.Errorf("the ticket cannot be signed: %w", err)
	}
	content := append([]byte{version}, s.id[:]...)
	content = appendTicket(content, t)
	return write(append(content, ed25519.Sign(s.key, signed(content))...)), nil
}

// Keys are public keys by their ids. They are immutable and safe for concurrent use.
type Keys struct {
	ids  []ID
	keys map[ID]ed25519.PublicKey
}

// newKeys makes keys of 1 to MaxKeys public ones.
func newKeys(public []ed25519.PublicKey) (*Keys, error) {
	if len(public) == 0 || len(public) > MaxKeys {
		return nil, fmt.Errorf("there are 1 to %d ticket keys, not %d", MaxKeys, len(public))
	}
	k := &Keys{keys: map[ID]ed25519.PublicKey{}}
	for _, key := range public {
		id := idOf(key)
		if k.keys[id] != nil {
			return nil, fmt.Errorf("two ticket keys have the id %s", id)
		}
		k.ids, k.keys[id] = append(k.ids, id), key
	}
	return k, nil
}

// IDs are the ids of the keys, in the order of their file.
func (k *Keys) IDs() []ID { return append([]ID(nil), k.ids...) }

// Check reads a code and checks its signature. It takes letters that are all large or all small, and spaces and line
// breaks between them. The error is ErrMalformed, ErrUnknownKey or ErrForged. Whether the ticket is valid now is for
// the caller to ask (Ticket.ValidAt), and whether it was given back since, only the ledger knows.
func (k *Keys) Check(code string) (Ticket, error) {
	text, err := canonical(code)
	if err != nil {
		return Ticket{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	content, err := read(text)
	if err != nil {
		return Ticket{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(content) < minContent || len(content) > maxContent || content[0] != version {
		return Ticket{}, fmt.Errorf("%w: it is incomplete, or of another version", ErrMalformed)
	}
	id := ID(content[1:headBytes])
	key, ok := k.keys[id]
	if !ok {
		return Ticket{}, fmt.Errorf("%w: %s", ErrUnknownKey, id)
	}
	body, signature := content[:len(content)-ed25519.SignatureSize], content[len(content)-ed25519.SignatureSize:]
	if !ed25519.Verify(key, signed(body), signature) {
		return Ticket{}, ErrForged
	}
	t, err := parseTicket(body[headBytes:])
	if err != nil {
		return Ticket{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return t, nil
}

// The kinds of PEM blocks in files of keys (RFC 7468, 10 and 13).
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// PEM is the keys as a file for the devices of inspectors: for each, a line with its id and a PEM block (PKIX).
func (k *Keys) PEM() []byte {
	var b bytes.Buffer
	for _, id := range k.ids {
		der, err := x509.MarshalPKIXPublicKey(k.keys[id])
		if err != nil {
			panic(err) // Every Ed25519 key marshals.
		}
		writeBlock(&b, id, publicBlock, der)
	}
	return b.Bytes()
}

// ParseKeys reads the keys that Keys.PEM has written. It reads a file of private keys, too, and keeps their public
// halves alone. An error never shows what may be a secret.
func ParseKeys(file []byte) (*Keys, error) {
	blocks, err := blocksOf(file)
	if err != nil {
		return nil, err
	}
	public := make([]ed25519.PublicKey, len(blocks))
	for i, block := range blocks {
		if block.Type == privateBlock {
			key, err := privateKey(i, block)
			if err != nil {
				return nil, err
			}
			public[i] = publicOf(key)
			continue
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		ours, ok := key.(ed25519.PublicKey)
		if block.Type != publicBlock || err != nil || !ok {
			return nil, fmt.Errorf("key %d is not an Ed25519 key (a PEM block %s)", i+1, publicBlock)
		}
		public[i] = ours
	}
	return newKeys(public)
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(bytes.Clone(key[ed25519.SeedSize:])) // RFC 8032, 5.1.5: the seed is before it.
}

func privateKey(i int, block *pem.Block) (ed25519.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	ours, ok := key.(ed25519.PrivateKey)
	if block.Type != privateBlock || err != nil || !ok {
		return nil, fmt.Errorf("key %d is not an Ed25519 key (a PEM block %s)", i+1, privateBlock)
	}
	return ours, nil
}

// writeBlock writes a line for people, which readers of PEM pass over (RFC 7468, 2), and the block.
func writeBlock(b *bytes.Buffer, id ID, kind string, der []byte) {
	fmt.Fprintf(b, "Interlock ticket key %s\n", id)
	if err := pem.Encode(b, &pem.Block{Type: kind, Bytes: der}); err != nil {
		panic(err) // A buffer takes all, and the block has no headers.
	}
}

// blocksOf are the PEM blocks of a file. A block that is damaged is an error: pem.Decode would pass over it, and a key
// would be missing unseen.
func blocksOf(file []byte) ([]*pem.Block, error) {
	begun := max(bytes.Count(file, []byte("-----BEGIN")), bytes.Count(file, []byte("-----END")))
	if begun > MaxKeys {
		return nil, fmt.Errorf("there are 1 to %d ticket keys, not %d", MaxKeys, begun)
	}
	var blocks []*pem.Block
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			break
		}
		blocks = append(blocks, block)
	}
	if len(blocks) != begun {
		return nil, fmt.Errorf("%d of %d PEM blocks cannot be read", begun-len(blocks), begun)
	}
	return blocks, nil
}
