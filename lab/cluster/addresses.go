package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"interlock/internal/servers"
	"interlock/services/keyring"
	"interlock/services/sale"
)

// Addresses is where everything is, and what it takes to use it.
type Addresses struct {
	Flavor  string   `json:"flavor"`
	Version string   `json:"version"`
	Servers []string `json:"servers"`
	// Balancer is in front of the servers; "" where there is none.
	Balancer string   `json:"balancer,omitempty"`
	Primary  string   `json:"primary"`
	Replicas []string `json:"replicas"`
	Locks    []string `json:"lock_redis"`
	Cache    string   `json:"cache_redis"`
	// MySQL, TokenSecret, DocumentKey and PersonalDataKey are for commands of interlock on this cluster: --mysql,
	// --token-secret, --document-key and --personal-data-keys.
	MySQL           string `json:"mysql"`
	TokenSecret     string `json:"token_secret"`
	DocumentKey     string `json:"document_key"`
	PersonalDataKey string `json:"personal_data_key"`
	// Failover are the variables of an `interlock failover` of this cluster; empty for MariaDB.
	Failover []string `json:"failover"`
}

// Addresses tells where everything is.
func (c *Cluster) Addresses() Addresses {
	a := Addresses{
		Flavor: strings.ToLower(string(c.options.Flavor)), Version: c.Primary.Version(), Servers: []string{},
		Primary: c.Primary.Addr(), Replicas: []string{}, Locks: c.lockAddrs(), Cache: c.Cache.Addr(),
		MySQL: c.DSN(Database), TokenSecret: c.secrets.token, DocumentKey: c.secrets.document,
		PersonalDataKey: c.secrets.personal,
	}
	if c.options.Flavor == servers.MySQL {
		a.Failover = c.members.SupervisorEnv()
	}
	for _, s := range c.Servers() {
		a.Servers = append(a.Servers, "http://"+s.Addr())
	}
	if c.balancer != nil {
		a.Balancer = "http://" + c.balancer.Addr()
	}
	for _, r := range c.Replicas {
		a.Replicas = append(a.Replicas, r.Addr())
	}
	return a
}

func (c *Cluster) lockAddrs() []string {
	addrs := make([]string, len(c.Locks))
	for i, l := range c.Locks {
		addrs[i] = l.Addr()
	}
	return addrs
}

// DocumentDigest makes the digests of document numbers as the servers do.
func (c *Cluster) DocumentDigest(number string) string {
	return sale.DocumentDigest([]byte(c.secrets.document), number)
}

// Keyring seals as the servers do, and opens what they have sealed.
func (c *Cluster) Keyring() *keyring.Ring {
	ring, err := keyring.Parse([]string{c.secrets.personal})
	if err != nil {
		panic(err) // newSecrets makes keys of the right form.
	}
	return ring
}

// DSN is the data source name of a database on the primary, as the user that the servers are.
func (c *Cluster) DSN(database string) string { return c.members.DSN(c.Primary, database) }

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
