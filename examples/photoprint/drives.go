package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet-io/freshet/services/demo/authserver"
)

// A drive is somebody else's cloud drive: an authorization server, and an API of its own kind.
type drive struct {
	id, name string // of the connection, and for people
	photos   []string
	secret   string
	auth     *authserver.Server
	server   *httptest.Server
}

// clientID is how the shop is registered at both drives.
const clientID = "printpixie"

// startDrive serves a drive, at which the shop is registered with Freshet's redirect URI.
func startDrive(d *drive, redirectURI string, api func(*drive) http.Handler) error {
	d.secret = "the-secret-of-printpixie-at-" + d.id
	var err error
	d.auth, err = authserver.New(authserver.Config{
		Clients: []authserver.Client{{ID: clientID, Secrets: []string{d.secret}, Scopes: []string{"photos.read", "offline_access"}, RedirectURIs: []string{redirectURI}}},
		Refresh: authserver.RefreshPolicy{Rotation: authserver.SingleUse},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", d.auth.Handler())
	mux.Handle("/api/", d.guarded(http.StripPrefix("/api", api(d))))
	d.server = httptest.NewServer(mux)
	d.auth.SetIssuer(d.server.URL)
	return nil
}

// guarded lets calls through that bring a token of this drive: it asks the authorization server (RFC 7662).
func (d *drive) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		form := url.Values{"token": {token}}
		ask, err := http.NewRequestWithContext(r.Context(), http.MethodPost, d.server.URL+authserver.PathIntrospect, strings.NewReader(form.Encode()))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		ask.SetBasicAuth(clientID, d.secret)
		answer, err := d.server.Client().Do(ask)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		var known struct {
			Active bool `json:"active"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&known); err != nil || !known.Active {
			http.Error(w, `{"error": {"message": "the token is not valid"}}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// cloudbox pages by tokens, one photo a page.
func cloudbox(d *drive) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /files", func(w http.ResponseWriter, r *http.Request) {
		at, _ := strconv.Atoi(r.URL.Query().Get("pageToken"))
		answer := map[string]any{"files": []any{}}
		if at < len(d.photos) {
			answer["files"] = []any{map[string]any{"id": "cb-" + d.photos[at], "name": d.photos[at] + ".png", "mimeType": "image/png"}}
		}
		if at+1 < len(d.photos) {
			answer["nextPageToken"] = strconv.Itoa(at + 1)
		}
		writeJSON(w, answer)
	})
	mux.HandleFunc("GET /files/{id}", func(w http.ResponseWriter, r *http.Request) {
		d.write(w, strings.TrimPrefix(r.PathValue("id"), "cb-"), 600)
	})
	mux.HandleFunc("GET /files/{id}/thumbnail", func(w http.ResponseWriter, r *http.Request) {
		d.write(w, strings.TrimPrefix(r.PathValue("id"), "cb-"), 64)
	})
	return mux
}

// skyfolder searches with a body, and counts from an offset.
func skyfolder(d *drive) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /search", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Offset int `json:"offset"`
			Limit  int `json:"limit"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Offset < 0 || asked.Limit < 1 {
			writeJSON(w, map[string]any{"ok": false, "reason": "offset and limit are needed"})
			return
		}
		pictures := []any{}
		for i := asked.Offset; i < min(len(d.photos), asked.Offset+asked.Limit); i++ {
			pictures = append(pictures, map[string]any{"number": i + 1, "caption": d.photos[i]})
		}
		writeJSON(w, map[string]any{"ok": true, "result": map[string]any{"pictures": pictures}})
	})
	mux.HandleFunc("GET /pictures/{number}", func(w http.ResponseWriter, r *http.Request) {
		number, _ := strconv.Atoi(r.PathValue("number"))
		width := 600
		if r.URL.Query().Get("width") == "64" {
			width = 64
		}
		title := ""
		if number >= 1 && number <= len(d.photos) {
			title = d.photos[number-1]
		}
		d.write(w, title, width)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the caller may have left
}

// write answers a photo, which is a gradient in a colour of its own.
func (d *drive) write(w http.ResponseWriter, title string, width int) {
	at := slices.Index(d.photos, title)
	if at < 0 {
		w.WriteHeader(http.StatusNotFound)
		writeJSON(w, map[string]any{"ok": false, "reason": "no such photo", "error": map[string]any{"message": "no such photo"}})
		return
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, width*3/4))
	for x := range width {
		for y := range width * 3 / 4 {
			picture.Set(x, y, color.RGBA{R: uint8(x * 255 / width), G: uint8(y * 255 / width), B: uint8(at * 80), A: 255})
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		http.Error(w, fmt.Sprint(err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(out.Bytes()) // the caller may have left
}
