// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RewardToken} from "../src/RewardToken.sol";
import {RoundLedger} from "../src/RoundLedger.sol";
import {TestBase} from "./TestBase.sol";

/// @notice Funds, settles and claims in any order, and keeps its own books. No call of it may revert.
contract Federation is TestBase {
    uint256 public fundedWei;
    uint256 public rewardedWei;
    uint256 public claimedWei;
    uint64 private _round;
    uint256[2] private _totalsWei;
    uint256[2] private _settledWei;

    constructor() {
        setUp();
        _openRun(RUN);
    }

    function ledgerAddress() external view returns (RoundLedger) {
        return ledger;
    }

    function tokenAddress() external view returns (RewardToken) {
        return token;
    }

    function fund(uint64 amountWei) external {
        ledger.fund(amountWei);
        fundedWei += amountWei;
    }

    function settle(uint64 aliceWei, uint64 bobWei) external {
        uint256 spareWei = fundedWei - rewardedWei;
        uint256 aliceShareWei = aliceWei % (spareWei + 1);
        uint256 bobShareWei = bobWei % (spareWei - aliceShareWei + 1);
        _totalsWei[0] += aliceShareWei;
        _totalsWei[1] += bobShareWei;
        rewardedWei += aliceShareWei + bobShareWei;
        _settledWei = _totalsWei;
        (bytes32 root,,) = _twoAccounts(_totalsWei[0], _totalsWei[1]);
        _wholeRound(RUN, ++_round, root, uint128(aliceShareWei + bobShareWei));
        vm.warp(block.timestamp + WINDOW_SECONDS);
    }

    function claim(bool forBob) external {
        uint256 index = forBob ? 1 : 0;
        address account = forBob ? BOB : ALICE;
        uint256 paidWei = ledger.claimedWei(account);
        if (_settledWei[index] == paidWei) return;
        (, bytes32[] memory aliceProof, bytes32[] memory bobProof) = _twoAccounts(_settledWei[0], _settledWei[1]);
        ledger.claim(_round, index, account, _settledWei[index], forBob ? bobProof : aliceProof);
        claimedWei += _settledWei[index] - paidWei;
    }
}

contract SolvencyTest is TestBase {
    Federation private _federation;

    function setUp() public override {
        _federation = new Federation();
        ledger = _federation.ledgerAddress();
        token = _federation.tokenAddress();
    }

    /// @dev forge asks for this by name: whom to call at random.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_federation);
    }

    /// @dev forge asks for this by name: which functions of it.
    function targetSelectors() public view returns (Target[] memory targets) {
        bytes4[] memory selectors = new bytes4[](3);
        (selectors[0], selectors[1], selectors[2]) =
        (Federation.fund.selector, Federation.settle.selector, Federation.claim.selector);
        targets = new Target[](1);
        targets[0] = Target({target: address(_federation), selectors: selectors});
    }

    struct Target {
        address target;
        bytes4[] selectors;
    }

    function invariant_ledgerHoldsWhatItOwes() public view {
        require(token.balanceOf(address(ledger)) >= ledger.unclaimedWei(), "insolvent");
    }

    function invariant_booksBalance() public view {
        assertEq(ledger.unclaimedWei(), _federation.rewardedWei() - _federation.claimedWei());
        assertEq(ledger.treasuryWei(), _federation.fundedWei() - _federation.rewardedWei());
        assertEq(token.balanceOf(ALICE) + token.balanceOf(BOB), _federation.claimedWei());
    }

    function testFuzz_settlementIsBoundedByTheTreasury(uint64 fundedWei, uint128 rewardedWei) public {
        super.setUp();
        ledger.fund(fundedWei);
        _openRun(RUN);
        _openRound(RUN, 1);
        _commit(RUN, 1);
        vm.prank(COORDINATOR);
        try ledger.settleRound(RUN, 1, _settlement("rewards", rewardedWei)) {
            require(rewardedWei <= fundedWei, "settled beyond the treasury");
        } catch {
            require(rewardedWei > fundedWei, "refused what the treasury covers");
        }
        require(token.balanceOf(address(ledger)) >= ledger.unclaimedWei(), "insolvent");
    }
}
