// Package quota bounds how often a client may ask, and how much the railway sells in a second, over all servers
// together.
//
// Each client has a bucket for each kind of operation. What changes something is asked of the store that all servers
// share, many demands at a time. What reads takes from a share that this server has leased from the same bucket, so
// that it waits for nothing. While the store is away, each server counts by itself.
package quota
