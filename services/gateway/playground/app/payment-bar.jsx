import { useSyncExternalStore } from "react";

// A line of its own while a payment is pending, and until it is closed.
export function PaymentBar({ watch }) {
  const payment = useSyncExternalStore(watch.listen, watch.current);
  if (!payment) return null;
  return (
    <section className="token-bar payment-bar" role="status" aria-label="Payment">
      <span className="token-bar-note">
        Order <strong>{payment.number}</strong>
        <span className="token-bar-role">{payment.state}</span>
        {payment.reason && <span>{payment.reason}</span>}
        {payment.state === "FAILED" && <span>the payment failed: pay with another idempotencyKey</span>}
      </span>
      {payment.url && (
        <a href={payment.url} target="_blank" rel="noopener noreferrer">
          Pay on the provider's page
        </a>
      )}
      {payment.trouble && <span className="token-bar-warning">{payment.trouble}</span>}
      <button type="button" className="token-bar-button payment-bar-close" onClick={watch.close}>
        Close
      </button>
    </section>
  );
}
