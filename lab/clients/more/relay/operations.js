// What Relay's compiler reads. The program uses what the compiler makes of it, as Relay's Babel plugin would.
import { graphql } from "relay-runtime";

export const ordersQuery = graphql`
  query operationsOrdersQuery($count: Int!) {
    viewer {
      ...operations_orders @arguments(count: $count)
    }
  }
`;

export const ordersFragment = graphql`
  fragment operations_orders on Viewer
  @refetchable(queryName: "operationsOrdersPageQuery")
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" }) {
    orders(first: $count, after: $cursor) @connection(key: "operations_orders_orders") {
      edges {
        node {
          id
          number
          state
        }
      }
    }
  }
`;

export const placeOrder = graphql`
  mutation operationsPlaceOrderMutation($input: PlaceOrderInput!) {
    placeOrder(input: $input) {
      order {
        id
        state
        tickets {
          seat
        }
      }
      userErrors {
        code
        message
      }
    }
  }
`;

export const cancelOrder = graphql`
  mutation operationsCancelOrderMutation($input: CancelOrderInput!) {
    cancelOrder(input: $input) {
      order {
        id
        state
      }
      userErrors {
        code
        message
      }
    }
  }
`;
