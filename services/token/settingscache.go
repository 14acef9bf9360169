package token

import (
	"context"
	"sync"
	"time"
)

const (
	// settingsFresh is how long settings are used without asking for them again, settingsKept how long they are used by the others while one
	// rotation asks, and in memory at all.
	settingsFresh = 5 * time.Second
	settingsKept  = 2 * settingsFresh
	// maxRemembered bounds the connections whose settings are kept.
	maxRemembered = 1024
)

// recollection keeps the settings of connections and grants for a moment. A connection's of the wanted revision do not change: whatever changes
// them makes another revision the wanted one. A grant's follow a change of its connection's within that moment.
type recollection struct {
	source SettingsSource
	now    func() time.Time

	mu    sync.Mutex
	known map[string]*recalled // by connection
}

type recalled struct {
	settings Settings
	until    time.Time // fresh
	asking   bool
}

func newRecollection(source SettingsSource, now func() time.Time) *recollection {
	return &recollection{source: source, now: now, known: map[string]*recalled{}}
}

// settings returns the settings of a connection: those of the wanted revision, if they were asked for a moment ago, or else the present ones.
// Errors are those of the source.
func (c *recollection) settings(ctx context.Context, connection, uid string, revision int64) (Settings, error) {
	if settings, ok := c.recall(connection, uid, revision); ok {
		return settings, nil
	}
	settings, err := c.source.AuthorizationSettings(ctx, connection)
	c.keep(connection, settings, err)
	return settings, err
}

// recall returns what is known. The first that finds it no longer fresh is told to ask.
func (c *recollection) recall(connection, uid string, revision int64) (Settings, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.known[connection]
	if known == nil || known.settings.ConnectionUID != uid || known.settings.Revision != revision {
		return Settings{}, false
	}
	if !known.asking && !c.now().Before(known.until) {
		known.asking = true
		return Settings{}, false
	}
	return known.settings, true
}

// keep remembers an answer. Settings that could not be had are not used any longer either.
func (c *recollection) keep(connection string, settings Settings, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		delete(c.known, connection)
		return
	}
	if c.known[connection] == nil && len(c.known) >= maxRemembered {
		return
	}
	latest := &recalled{settings: settings, until: c.now().Add(settingsFresh)}
	c.known[connection] = latest
	time.AfterFunc(settingsKept, func() { c.forget(connection, latest) })
}

// forget drops secrets that nobody asked for again.
func (c *recollection) forget(connection string, old *recalled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[connection] == old {
		delete(c.known, connection)
	}
}
