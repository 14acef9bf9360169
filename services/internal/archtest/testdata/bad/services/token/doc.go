// Package token keeps tokens fresh.
package token
