package failover

// Member is what a member says of itself at one moment. Nothing in it is guessed: a member that could not be read whole
// has a Problem and nothing else.
type Member struct {
	// Name is its address as it is configured.
	Name string `json:"name"`
	// Problem says why it could not be read; empty where it was.
	Problem string `json:"problem,omitempty"`

	UUID    string `json:"server_uuid,omitempty"`
	Version string `json:"version,omitempty"`
	// ReadOnly keeps all but administrators from writing. SuperReadOnly keeps administrators too.
	ReadOnly      bool `json:"read_only"`
	SuperReadOnly bool `json:"super_read_only"`
	// Offline tells that it has hung up on all but administrators.
	Offline bool `json:"offline"`
	// Executed are the transactions it has. Purged are those of them that it cannot hand on any more. Both are GTID
	// sets.
	Executed string `json:"gtid_executed"`
	Purged   string `json:"-"`
	// Receiver is nil where it follows no other member.
	Receiver *Receiver `json:"receiver,omitempty"`
	// Source is its side as a semi-synchronous primary.
	Source Source `json:"source"`
	// Acknowledges tells that it acknowledges what it receives, or would as soon as it follows a primary.
	Acknowledges bool `json:"acknowledges"`
	// mute tells that it is set to acknowledge and does not: its receiver was connected before it was set so.
	mute bool
	// acknowledging is the state of the receiver itself.
	acknowledging bool
	// Record is what its copy of the ledger says of the cluster. A replica's may be old.
	Record Record `json:"record"`
	// Wrong are settings that would break a promise if it were primary.
	Wrong []string `json:"wrong_settings,omitempty"`
	// Cloning tells that it is being rebuilt at this moment.
	Cloning bool `json:"cloning,omitempty"`
}

// Receiver is the side of a replica that receives.
type Receiver struct {
	// Source is the address it follows. SourceUUID is the server there when it last connected.
	Source     string `json:"source"`
	SourceUUID string `json:"source_uuid"`
	// State is ON while it is connected, CONNECTING, or OFF.
	State string `json:"state"`
	// Error is the last one of the receiver, ApplyError that of the applier.
	Error string `json:"error,omitempty"`
	// HeartbeatSeconds is how often its source says something when nothing happens. SilentSeconds is how long its
	// source has sent neither a transaction nor a heartbeat; 0 where it never has.
	HeartbeatSeconds float64 `json:"heartbeat_seconds"`
	SilentSeconds    float64 `json:"silent_seconds"`
	// Received is the GTID set that it has written to its own disk since it began to follow.
	Received string `json:"gtid_received"`
	// Applying tells that what was received is being applied.
	Applying   bool   `json:"applying"`
	ApplyError string `json:"apply_error,omitempty"`
	automatic  bool
}

// The states of a receiver.
const (
	receiverOn  = "ON"
	receiverOff = "OFF"
)

// Source is the state of a primary's semi-synchronous replication.
type Source struct {
	Enabled bool `json:"enabled"`
	// Active is false where it has fallen back to asynchronous.
	Active bool `json:"active"`
	// Clients are the replicas connected that acknowledge; Waiting the sessions whose commit waits for one.
	Clients int64 `json:"clients"`
	Waiting int64 `json:"waiting_sessions"`
	// acknowledged and unacknowledged count commits since it was started.
	acknowledged, unacknowledged int64
}

// Answers tells whether the member could be read.
func (m *Member) Answers() bool { return m.Problem == "" }

// hears tells whether a receiver hears its source: it is connected, and its source has not missed several heartbeats. A
// frozen source keeps its connections.
func (r *Receiver) hears(source string) bool {
	return r != nil && r.Source == source && r.State == receiverOn &&
		(r.HeartbeatSeconds <= 0 || r.SilentSeconds <= silentHeartbeats*r.HeartbeatSeconds)
}

// Received is everything it has on its disk, applied or not: a GTID set.
func (m *Member) Received() string {
	if m.Receiver == nil {
		return m.Executed
	}
	return union(m.Executed, m.Receiver.Received)
}

// Follows tells whether it is connected to the primary.
func (m *Member) Follows(primary *Member) bool {
	return m.Answers() && m.Receiver != nil && m.Receiver.State == receiverOn && m.Receiver.SourceUUID == primary.UUID
}
