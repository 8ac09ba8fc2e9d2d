package cluster

import (
	"crypto/rand"
	"encoding/hex"
)

// maxReplicationPassword is MySQL's limit on the password a replica logs in with.
const maxReplicationPassword = 32

// secrets are made anew for every cluster, so that nothing of one opens another.
type secrets struct{ token, document, personal, database, supervisor, replication string }

func newSecrets() secrets {
	one := func() string {
		b := make([]byte, 32) // what both a token's signature and a digest's key can use
		_, _ = rand.Read(b)   // it never fails: crypto/rand ends the process instead
		return hex.EncodeToString(b)
	}
	return secrets{one(), one(), "lab:" + one(), one(), one(), one()[:maxReplicationPassword]}
}
