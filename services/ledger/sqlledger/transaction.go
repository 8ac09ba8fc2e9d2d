package sqlledger

// transaction is a transaction that was begun, on a connection of its own. Its life has three parts: begin.go makes it,
// statements are executed in it, and commit.go or end ends it.
type transaction struct {
	// connection is nil once the transaction was committed, or is in doubt.
	*connection
	// admission is nil where the transaction only reads.
	admission *admission
	// replication is what a commit would rest on.
	replication semiSyncSeen
	// noted are the events that the commit makes true.
	noted
}

// end rolls back what was not committed. It is harmless after commit.
func (t *transaction) end() {
	if t.connection != nil {
		t.rollback()
	}
	if t.admission != nil {
		t.admission.done()
	}
}
