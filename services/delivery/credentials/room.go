package credentials

import tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"

// defaultMaxWatched is the default of Options.MaxWatched.
const defaultMaxWatched = 100_000

// makeRoom gives up the token that was asked for the longest ago of some that are looked at. w.mu is held.
func (w *Watcher) makeRoom() {
	const looks = 50
	oldest, seen := "", 0
	for name, entry := range w.watched { // in no order
		if oldest == "" || entry.used.Before(w.watched[oldest].used) {
			oldest = name
		}
		if seen++; seen == looks {
			break
		}
	}
	close(w.watched[oldest].changed) // who waits for it asks again
	delete(w.watched, oldest)
	w.send(&tokenv1.WatchTokensRequest{Action: &tokenv1.WatchTokensRequest_Unsubscribe{
		Unsubscribe: &tokenv1.WatchTokensUnsubscribe{Names: []string{oldest}},
	}})
}
